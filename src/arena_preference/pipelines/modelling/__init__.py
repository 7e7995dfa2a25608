"""Modelling: out-of-fold CatBoost models, their calibration and their scores."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
