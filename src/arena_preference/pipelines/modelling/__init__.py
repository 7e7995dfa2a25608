"""Modelling: CatBoost on features and the bag-of-words model, calibrated and evaluated out of fold."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
