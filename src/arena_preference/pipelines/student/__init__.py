"""Student: a model that learns from the votes of an earlier run and from the soft labels of that run's models."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
