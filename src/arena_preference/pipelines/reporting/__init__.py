"""Reporting: figures that show how far the probabilities can be trusted and what they rest on."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
