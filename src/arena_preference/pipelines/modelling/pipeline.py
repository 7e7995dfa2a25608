"""Wiring of the pipeline ``modelling``."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from arena_preference.battles import SPLITS

from .experiments import measure_ablation, measure_blend, measure_learning_curve
from .nodes import (
    calibrate_model,
    evaluate_predictions,
    fit_baselines,
    fit_bow_models,
    fit_calibration,
    fit_fold_models,
    join_features,
    join_fold_scores,
    list_feature_groups,
    predict_base_models,
    predict_bow_logits,
    predict_out_of_fold,
    predict_preferences,
)


def create_pipeline(splits: Sequence[str] = SPLITS) -> Pipeline:
    """Features to models, calibration and metrics on ``train``, and to predictions on ``test``."""
    nodes = [_join_features(split) for split in splits]
    if "train" in splits:
        nodes += _fit_models() + _evaluate_models()
    if "test" in splits:
        nodes += _predict()
    return Pipeline(nodes, namespace="modelling", prefix_datasets_with_namespace=False)


def _join_features(split: str) -> Node:
    return Node(
        join_features,
        inputs=[
            f"{split}.text_features",
            f"{split}.lsa_features",
            f"{split}.relevance_features",
            f"{split}.consensus_features",
            f"{split}.embedding_features",
            f"{split}.reward_features",
        ],
        outputs=f"{split}.model_input",
        name=f"join_{split}_features",
        tags=[split, "per_battle"],
    )


def _fit_models() -> list[Node]:
    return [
        Node(
            list_feature_groups,
            inputs=[
                "train.text_features",
                "train.lsa_features",
                "train.relevance_features",
                "train.consensus_features",
                "train.embedding_features",
                "train.reward_features",
            ],
            outputs="feature_groups",
            name="list_feature_groups",
            tags="train",
        ),
        Node(
            fit_bow_models,
            inputs=["train.tfidf_differences", "labels", "params:modelling"],
            outputs=["bow_model", "oof_bow_logits"],
            name="fit_bow_models",
            tags="train",
        ),
        Node(
            fit_fold_models,
            inputs=["train.model_input", "oof_bow_logits", "labels", "params:modelling", "params:seed"],
            outputs=["ensemble", "oof_logits"],
            name="fit_fold_models",
            tags=["train", "gpu"],
        ),
        Node(
            fit_baselines,
            inputs=["train.battles", "labels"],
            outputs="baseline_predictions",
            name="fit_baselines",
            tags="train",
        ),
        Node(
            fit_calibration,
            inputs=["oof_logits", "train.cross_encoder_logits", "labels"],
            outputs="calibration",
            name="fit_calibration",
            tags="train",
        ),
        Node(
            calibrate_model,
            inputs=["ensemble", "calibration"],
            outputs="preference_model",
            name="calibrate_model",
            tags="train",
        ),
    ]


def _evaluate_models() -> list[Node]:
    return [
        Node(
            predict_out_of_fold,
            inputs=["oof_logits", "train.cross_encoder_logits", "calibration", "labels", "baseline_predictions"],
            outputs="oof_predictions",
            name="predict_out_of_fold",
            tags="train",
        ),
        Node(
            predict_base_models,
            inputs=["oof_logits", "calibration", "oof_bow_logits", "train.cross_encoder_logits"],
            outputs="base_model_predictions",
            name="predict_base_models",
            tags="train",
        ),
        Node(
            join_fold_scores,
            inputs=["train.model_input", "oof_bow_logits"],
            outputs="train.shap_input",
            name="join_fold_scores",
            tags="train",
        ),
        Node(
            evaluate_predictions,
            inputs=["oof_predictions", "params:modelling", "params:seed"],
            outputs="metrics",
            name="evaluate_predictions",
            tags="train",
        ),
        Node(
            measure_blend,
            inputs=[
                "oof_logits",
                "train.cross_encoder_logits",
                "calibration",
                "labels",
                "params:modelling",
                "params:seed",
            ],
            outputs="blend_metrics",
            name="measure_blend",
            tags="train",
        ),
        Node(
            measure_learning_curve,
            inputs=["train.model_input", "labels", "params:modelling", "params:seed"],
            outputs="learning_curve",
            name="measure_learning_curve",
            tags=["train", "gpu"],
        ),
        Node(
            measure_ablation,
            inputs=[
                "train.model_input",
                "oof_bow_logits",
                "feature_groups",
                "labels",
                "params:modelling",
                "params:seed",
            ],
            outputs="ablation",
            name="measure_ablation",
            tags=["train", "gpu"],
        ),
    ]


def _predict() -> list[Node]:
    return [
        Node(
            predict_bow_logits,
            inputs=["test.tfidf_differences", "bow_model"],
            outputs="test.bow_logits",
            name="predict_test_bow_logits",
            tags=["test", "per_battle"],
        ),
        Node(
            predict_preferences,
            inputs=[
                "test.model_input",
                "test.bow_logits",
                "test.cross_encoder_logits",
                "preference_model",
                "calibration",
            ],
            outputs="test.predictions",
            name="predict_test_preferences",
            tags=["test", "per_battle"],
        ),
    ]
