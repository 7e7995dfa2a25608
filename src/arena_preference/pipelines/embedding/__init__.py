"""Embedding: each distinct text through an encoder once, and features from the vectors of both responses."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
