"""Wiring of the pipeline ``finetuning``."""

from kedro.pipeline import Node, Pipeline

from .nodes import assign_training_folds, score_battles, score_folds, train_cross_encoders


def create_pipeline(split: str = "train") -> Pipeline:
    """On ``train``: a cross encoder for each fold, and its scores of the fold. On ``test``: scores by all of them."""
    if split == "test":
        score = Node(
            score_battles,
            inputs=["battles", "cross_encoder_store", "cross_encoders", "params:finetuning"],
            outputs="cross_encoder_scores",
            name="score_battles",
            tags={"gpu", "per_battle"},
        )
        return Pipeline(
            [score], namespace=split, inputs={"cross_encoder_store", "cross_encoders"}, parameters="finetuning"
        )
    nodes = [
        Node(
            assign_training_folds,
            inputs=["battles", "params:finetuning", "params:modelling.folds", "params:seed"],
            outputs="finetuning_folds",
            name="assign_training_folds",
        ),
        Node(
            train_cross_encoders,
            inputs=["battles", "finetuning_folds", "cross_encoder_store", "params:finetuning", "params:seed"],
            outputs=["cross_encoders", "finetuning_history"],
            name="train_cross_encoders",
            tags="gpu",
        ),
        Node(
            score_folds,
            inputs=["battles", "finetuning_folds", "cross_encoder_store", "cross_encoders", "params:finetuning"],
            outputs="cross_encoder_scores",
            name="score_folds",
            tags="gpu",
        ),
    ]
    return Pipeline(
        nodes,
        namespace=split,
        inputs="cross_encoder_store",
        outputs={"finetuning_folds", "cross_encoders", "finetuning_history"},
        parameters={"finetuning", "modelling.folds", "seed"},
    )
