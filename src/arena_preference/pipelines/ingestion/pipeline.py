"""Wiring of the pipeline ``ingestion``."""

from kedro.pipeline import Node, Pipeline

from .nodes import count_shared_ids, parse_test_battles, parse_train_battles, sample_battles


def create_pipeline(split: str = "train") -> Pipeline:
    """Read the battles of a split, ``train`` or ``test``; of ``train`` also draw those that fits are made on."""
    parse_battles = parse_train_battles if split == "train" else parse_test_battles
    parse = Node(
        parse_battles,
        inputs="raw_battles",
        outputs=["battles", "rejected_rows"],
        name="parse_battles",
        tags="per_battle",
    )
    if split == "test":
        return Pipeline([parse], namespace=split)
    sample = Node(
        sample_battles,
        inputs=["battles", "params:ingestion.sample_share", "params:seed"],
        outputs="sampled_battles",
        name="sample_battles",
        tags="per_battle",
    )
    return Pipeline([parse, sample], namespace=split, parameters={"ingestion.sample_share", "seed"})


def create_comparison() -> Pipeline:
    """Compare the ids of both splits, in runs that train and predict; ``folds`` names every training battle."""
    compare = Node(
        count_shared_ids,
        inputs=["battles", "folds"],
        outputs=None,
        name="count_shared_ids",
    )
    return Pipeline([compare], namespace="test", inputs="folds")
