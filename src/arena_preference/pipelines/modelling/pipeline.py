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
        inputs=[f"{split}.text_features", f"{split}.latent_features", f"{split}.embedding_features"],
        outputs=f"{split}.model_input",
        name="join_features",
        namespace=split,
    )
    if split == "test":
        predict = Node(
            predict_preferences,
            inputs=["test.model_input", "preference_model"],
            outputs="test.predictions",
            name="predict_preferences",
            namespace=split,
        )
        return Pipeline([join, predict])
    return Pipeline(
        [
            join,
            Node(
                assign_folds,
                inputs=["train.battles", "params:modelling", "params:seed"],
                outputs="folds",
                name="assign_folds",
            ),
            Node(
                fit_fold_models,
                inputs=["train.model_input", "train.battles", "folds", "params:modelling", "params:seed"],
                outputs=["fold_average", "oof_scores"],
                name="fit_fold_models",
            ),
            Node(
                fit_baselines,
                inputs=["train.battles", "folds"],
                outputs="baseline_predictions",
                name="fit_baselines",
            ),
            Node(
                fit_calibration,
                inputs=["oof_scores", "train.battles"],
                outputs="calibration",
                name="fit_calibration",
            ),
            Node(
                predict_out_of_fold,
                inputs=["oof_scores", "calibration", "train.battles", "baseline_predictions"],
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
        ]
    )
