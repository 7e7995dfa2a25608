"""Embedding: each distinct text through an encoder once, and how the vectors of the two answers differ."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
