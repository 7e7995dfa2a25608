"""Tuning: a search for CatBoost's settings that can be stopped and resumed."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
