"""Reporting: metrics, bias audit, error analysis and feature importance as figures, tables and one page."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
