"""Tuning: a resumable search for CatBoost's parameters."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
