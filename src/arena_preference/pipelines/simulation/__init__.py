"""Pipeline ``simulation``: battles with known true probabilities, made from parameters alone."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
