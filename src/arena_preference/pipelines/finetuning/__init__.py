"""Fine-tuning: one cross encoder per fold, and its logits for each battle."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
