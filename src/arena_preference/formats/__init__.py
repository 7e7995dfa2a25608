"""Battles in the formats people have: one adapter per format, found by looking at the columns."""

from .cells import read_as_text
from .detection import FORMATS, find_format
from .format import Battle, ExcludedRowError, Format, Row, UnusableRowError

__all__ = ["FORMATS", "Battle", "ExcludedRowError", "Format", "Row", "UnusableRowError", "find_format", "read_as_text"]
