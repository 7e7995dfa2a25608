"""Features of the text itself: length, style, missingness, content, overlap, and latents of TF-IDF."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
