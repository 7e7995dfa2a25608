"""Evaluation: a submission against labels that were held out."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
