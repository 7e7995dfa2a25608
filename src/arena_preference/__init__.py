"""Calibrated probabilities that a person prefers one model's response over another's."""

__version__ = "0.1.0"
