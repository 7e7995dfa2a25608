"""Distil: a model's predictions as soft labels, from which another model learns."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
