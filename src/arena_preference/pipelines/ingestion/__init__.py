"""Ingestion: from the raw CSV to battles, with every unusable row rejected and counted."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
