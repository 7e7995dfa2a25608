"""Wiring of the pipeline ``modelling``."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from arena_preference.battles import SPLITS

from .evaluation import evaluate_predictions, measure_ablation, measure_learning_curve
from .fitting import fit_preference_model, join_features, list_feature_groups
from .linear_model import fit_linear_model
from .prediction import predict_out_of_fold, predict_preferences


def create_pipeline(splits: Sequence[str] = SPLITS) -> Pipeline:
    """Features to models, calibration and metrics on ``train``, and to predictions on ``test``."""
    return Pipeline(
        [
            *[
                Node(
                    join_features,
                    inputs={
                        "text": f"{split}_text_features",
                        "LSA": f"{split}_lsa_features",
                        "relevance": f"{split}_relevance_features",
                        "consensus": f"{split}_consensus_features",
                        "embedding": f"{split}_embedding_features",
                        "reward model": f"{split}_reward_features",
                    },
                    outputs=f"{split}_model_input",
                    name=f"join_{split}_features",
                    tags=[split, "per_battle"],
                )
                for split in SPLITS
            ],
            Node(
                list_feature_groups,
                inputs={
                    "text": "train_text_features",
                    "LSA": "train_lsa_features",
                    "relevance": "train_relevance_features",
                    "consensus": "train_consensus_features",
                    "embedding": "train_embedding_features",
                    "reward model": "train_reward_features",
                },
                outputs="feature_groups",
                name="list_feature_groups",
                tags="train",
            ),
            Node(
                fit_linear_model,
                inputs=["train_model_input", "labels", "ingestion_summary", "params:modelling"],
                outputs=["linear_model", "oof_linear_logits"],
                name="fit_linear_model",
                tags="train",
            ),
            Node(
                fit_preference_model,
                inputs=[
                    "train_model_input",
                    "oof_linear_logits",
                    "train_cross_encoder_logits",
                    "labels",
                    "params:modelling",
                    "params:seed",
                ],
                outputs=["preference_model", "calibration", "oof_logits"],
                name="fit_preference_model",
                tags=["train", "gpu"],
            ),
            Node(
                predict_out_of_fold,
                inputs=[
                    "oof_logits",
                    "oof_linear_logits",
                    "train_cross_encoder_logits",
                    "calibration",
                    "labels",
                    "train_model_input",
                ],
                outputs="oof_predictions",
                name="predict_out_of_fold",
                tags="train",
            ),
            Node(
                evaluate_predictions,
                inputs=[
                    "oof_predictions",
                    "oof_logits",
                    "ingestion_summary",
                    "simulation_summary",
                    "params:modelling",
                    "params:seed",
                ],
                outputs="metrics",
                name="evaluate_predictions",
                tags="train",
            ),
            Node(
                measure_learning_curve,
                inputs=["train_model_input", "labels", "params:modelling", "params:seed"],
                outputs="learning_curve",
                name="measure_learning_curve",
                tags="train",
            ),
            Node(
                measure_ablation,
                inputs=[
                    "train_model_input",
                    "feature_groups",
                    "labels",
                    "ingestion_summary",
                    "params:modelling",
                    "params:seed",
                ],
                outputs="ablation",
                name="measure_ablation",
                tags=["train", "gpu"],
            ),
            Node(
                predict_preferences,
                inputs=[
                    "test_model_input",
                    "test_cross_encoder_logits",
                    "linear_model",
                    "preference_model",
                    "calibration",
                ],
                outputs="test_predictions",
                name="predict_test_preferences",
                tags=["test", "per_battle"],
            ),
        ],
        namespace="modelling",
        prefix_datasets_with_namespace=False,
    ).only_nodes_with_tags(*splits)
