"""Ingestion: from the raw CSV to battles, with every row that could not be used set aside and counted."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
