"""Wiring of the pipeline ``finetuning``."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from arena_preference.battles import SPLITS

from .nodes import predict_oof_logits, predict_test_logits, train_cross_encoders


def create_pipeline(splits: Sequence[str] = SPLITS) -> Pipeline:
    """Battles to logits of cross encoders: on ``train`` out of fold, on ``test`` by the models of all folds."""
    nodes = []
    if "train" in splits:
        nodes += [
            Node(
                train_cross_encoders,
                inputs=["train_battles", "labels", "cross_encoder_store", "params:finetuning", "params:seed"],
                outputs="cross_encoders",
                name="train_cross_encoders",
                tags=["train", "gpu"],
            ),
            Node(
                predict_oof_logits,
                inputs=["train_battles", "labels", "cross_encoder_store", "cross_encoders", "params:finetuning"],
                outputs="train_cross_encoder_logits",
                name="predict_train_cross_encoder_logits",
                tags=["train", "gpu"],
            ),
        ]
    if "test" in splits:
        nodes += [
            Node(
                predict_test_logits,
                inputs=["test_battles", "cross_encoder_store", "cross_encoders", "params:finetuning"],
                outputs="test_cross_encoder_logits",
                name="predict_test_cross_encoder_logits",
                tags=["test", "gpu", "per_battle"],
            ),
        ]
    return Pipeline(nodes, namespace="finetuning", prefix_datasets_with_namespace=False)
