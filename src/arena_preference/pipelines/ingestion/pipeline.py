"""Wiring of the pipeline ``ingestion``."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from arena_preference.battles import SPLITS

from .folds import assign_folds, sample_battles
from .parsing import parse_test_battles, parse_train_battles


def create_pipeline(splits: Sequence[str] = SPLITS) -> Pipeline:
    """Raw files to battles; on ``train`` also the table of labels and the battles that transformers are fitted on."""
    nodes = []
    if "train" in splits:
        nodes += [
            Node(
                parse_train_battles,
                inputs=["train_raw_battles", "params:ingestion"],
                outputs=["train_battles", "train_rejected_rows"],
                name="parse_train_battles",
                tags=["train", "per_battle"],
            ),
            Node(
                assign_folds,
                inputs=["train_battles", "train_rejected_rows", "params:ingestion", "params:seed"],
                outputs=["labels", "ingestion_summary"],
                name="assign_folds",
                tags="train",
            ),
            Node(
                sample_battles,
                inputs=["train_battles", "params:ingestion", "params:seed"],
                outputs="train_sampled_battles",
                name="sample_battles",
                tags=["train", "per_battle"],
            ),
        ]
    if "test" in splits:
        nodes += [
            Node(
                parse_test_battles,
                inputs=["test_raw_battles", "params:ingestion"],
                outputs=["test_battles", "test_rejected_rows"],
                name="parse_test_battles",
                tags=["test", "per_battle"],
            ),
        ]
    return Pipeline(nodes, namespace="ingestion", prefix_datasets_with_namespace=False)
