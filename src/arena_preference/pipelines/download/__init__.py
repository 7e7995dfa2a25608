"""Download: the competition's battles, from the Hugging Face Hub or from Kaggle."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
