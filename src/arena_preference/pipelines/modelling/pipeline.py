"""Wiring of the pipeline ``modelling``."""

from kedro.pipeline import Node, Pipeline

from .nodes import (
    assign_folds,
    calibrate_model,
    evaluate_predictions,
    fit_baselines,
    fit_calibration,
    fit_fold_models,
    join_features,
    predict_out_of_fold,
    predict_preferences,
)


def create_pipeline(split: str = "train") -> Pipeline:
    """On ``train``: folds, models, calibration and metrics. On ``test``: predictions of the stored model."""
    join = Node(
        join_features,
        inputs=["text_features", "latent_features", "embedding_features", "reward_features"],
        outputs="model_input",
        name="join_features",
    )
    if split == "test":
        predict = Node(
            predict_preferences,
            inputs=["model_input", "preference_model"],
            outputs="predictions",
            name="predict_preferences",
        )
        return Pipeline([join, predict], namespace=split, inputs="preference_model")
    return Pipeline(
        [
            join,
            Node(
                assign_folds,
                inputs=["battles", "params:modelling", "params:seed"],
                outputs="folds",
                name="assign_folds",
            ),
            Node(
                fit_fold_models,
                inputs=["model_input", "battles", "folds", "params:modelling", "params:seed"],
                outputs=["fold_average", "oof_scores"],
                name="fit_fold_models",
            ),
            Node(
                fit_baselines,
                inputs=["battles", "folds"],
                outputs="baseline_predictions",
                name="fit_baselines",
            ),
            Node(
                fit_calibration,
                inputs=["oof_scores", "battles"],
                outputs="calibration",
                name="fit_calibration",
            ),
            Node(
                predict_out_of_fold,
                inputs=["oof_scores", "calibration", "battles", "baseline_predictions"],
                outputs="oof_predictions",
                name="predict_out_of_fold",
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
        ],
        namespace=split,
        # What only training makes needs no split in its name.
        outputs={
            "folds",
            "fold_average",
            "oof_scores",
            "baseline_predictions",
            "calibration",
            "preference_model",
            "oof_predictions",
            "metrics",
        },
        parameters={"modelling", "seed"},
    )
