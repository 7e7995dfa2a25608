"""Wiring of the pipeline ``ingestion``."""

from kedro.pipeline import Node, Pipeline

from .nodes import count_shared_ids, parse_test_battles, parse_train_battles


def create_pipeline(split: str = "train") -> Pipeline:
    """Read the battles of a split, ``train`` or ``test``."""
    parse_battles = parse_train_battles if split == "train" else parse_test_battles
    return Pipeline(
        [
            Node(
                parse_battles,
                inputs="raw_battles",
                outputs=["battles", "rejected_rows"],
                name="parse_battles",
            ),
        ],
        namespace=split,
    )


def create_comparison() -> Pipeline:
    """Compare the ids of both splits, in runs that train and predict; ``folds`` names every training battle."""
    compare = Node(
        count_shared_ids,
        inputs=["battles", "folds"],
        outputs=None,
        name="count_shared_ids",
    )
    return Pipeline([compare], namespace="test", inputs="folds")
