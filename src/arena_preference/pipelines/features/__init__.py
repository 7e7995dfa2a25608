"""Features of the texts: length, style, missingness, content, overlap, latents of TF-IDF, relevance, consensus."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
