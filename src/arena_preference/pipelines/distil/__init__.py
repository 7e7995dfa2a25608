"""Distil: a model's predictions of unlabelled battles as soft labels, fold by fold, from which a student learns."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
