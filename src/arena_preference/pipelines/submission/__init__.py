"""Submission: from the raw test file and the stored model to a checked submission.csv."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
