"""Modelling: a linear model of features and CatBoost on what it leaves over, calibrated and evaluated out of fold."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
