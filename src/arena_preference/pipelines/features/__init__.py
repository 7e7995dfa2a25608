"""Features of the text itself: length, style, missingness, content, overlap, latents of TF-IDF, and relevance."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
