"""Features of the texts: statistics, overlap, LSA, relevance, consensus; and TF-IDF differences."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
