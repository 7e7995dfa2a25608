"""Fine-tuning: a cross encoder for each fold, and its scores as features."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
