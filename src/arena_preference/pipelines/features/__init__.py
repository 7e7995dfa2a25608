"""Features of the texts: statistics, overlap, LSA, relevance, consensus."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
