"""Wiring of the pipeline ``modelling``."""

from kedro.pipeline import Node, Pipeline

from arena_preference.folds import assign_folds

from .experiments import measure_ablation, measure_blend, measure_learning_curve
from .nodes import (
    calibrate_model,
    evaluate_predictions,
    fit_baselines,
    fit_calibration,
    fit_fold_models,
    fit_word_models,
    join_features,
    join_fold_scores,
    list_feature_families,
    predict_first_level,
    predict_out_of_fold,
    predict_preferences,
    score_words,
)

_TABLES = [
    "text_features",
    "latent_features",
    "relevance_features",
    "consensus_features",
    "embedding_features",
    "reward_features",
]


def create_pipeline(split: str = "train") -> Pipeline:
    """On ``train``: folds, models, calibration and metrics. On ``test``: predictions of the stored models."""
    join = Node(join_features, inputs=_TABLES, outputs="model_input", name="join_features", tags="per_battle")
    if split == "test":
        score = Node(
            score_words,
            inputs=["word_differences", "word_model"],
            outputs="word_scores",
            name="score_words",
            tags="per_battle",
        )
        predict = Node(
            predict_preferences,
            inputs=["model_input", "word_scores", "cross_encoder_scores", "preference_model", "calibration"],
            outputs="predictions",
            name="predict_preferences",
            tags="per_battle",
        )
        fitted = {"word_model", "preference_model", "calibration"}
        return Pipeline([join, score, predict], namespace=split, inputs=fitted)
    nodes = [
        join,
        Node(
            list_feature_families,
            inputs=_TABLES,
            outputs="feature_families",
            name="list_feature_families",
        ),
        Node(
            assign_folds,
            inputs=["battles", "params:modelling.folds", "params:seed"],
            outputs="folds",
            name="assign_folds",
        ),
        Node(
            fit_word_models,
            inputs=["word_differences", "battles", "folds", "params:modelling"],
            outputs=["word_model", "oof_word_scores"],
            name="fit_word_models",
        ),
        Node(
            fit_fold_models,
            inputs=["model_input", "oof_word_scores", "battles", "folds", "params:modelling", "params:seed"],
            outputs=["fold_average", "oof_scores"],
            name="fit_fold_models",
            tags="gpu",
        ),
        Node(
            fit_baselines,
            inputs=["battles", "folds"],
            outputs="baseline_predictions",
            name="fit_baselines",
        ),
        Node(
            fit_calibration,
            inputs=["oof_scores", "cross_encoder_scores", "battles"],
            outputs="calibration",
            name="fit_calibration",
        ),
        Node(
            predict_out_of_fold,
            inputs=["oof_scores", "cross_encoder_scores", "calibration", "battles", "baseline_predictions"],
            outputs="oof_predictions",
            name="predict_out_of_fold",
        ),
        Node(
            predict_first_level,
            inputs=["oof_scores", "calibration", "oof_word_scores", "cross_encoder_scores"],
            outputs="first_level_predictions",
            name="predict_first_level",
        ),
        Node(
            join_fold_scores,
            inputs=["model_input", "oof_word_scores"],
            outputs="explained_input",
            name="join_fold_scores",
        ),
        Node(
            calibrate_model,
            inputs=["fold_average", "calibration"],
            outputs="preference_model",
            name="calibrate_model",
        ),
        Node(
            evaluate_predictions,
            inputs=["oof_predictions", "params:modelling", "params:seed"],
            outputs="metrics",
            name="evaluate_predictions",
        ),
        Node(
            measure_blend,
            inputs=["oof_scores", "cross_encoder_scores", "calibration", "battles", "params:modelling", "params:seed"],
            outputs="blend_scores",
            name="measure_blend",
        ),
        Node(
            measure_learning_curve,
            inputs=["model_input", "battles", "folds", "params:modelling", "params:seed"],
            outputs="learning_curve",
            name="measure_learning_curve",
            tags="gpu",
        ),
        Node(
            measure_ablation,
            inputs=[
                "model_input",
                "oof_word_scores",
                "feature_families",
                "battles",
                "folds",
                "params:modelling",
                "params:seed",
            ],
            outputs="ablation",
            name="measure_ablation",
            tags="gpu",
        ),
    ]
    own = {*_TABLES, "word_differences", "cross_encoder_scores", "battles", "model_input", "explained_input"}
    # What only training makes needs no split in its name.
    fixed = {output for node in nodes for output in node.outputs} - own
    return Pipeline(nodes, namespace=split, outputs=fixed, parameters={"modelling", "modelling.folds", "seed"})
