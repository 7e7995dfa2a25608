"""Calibrated probabilities that a person prefers one chatbot's answer over another's."""

__version__ = "0.1.0"
