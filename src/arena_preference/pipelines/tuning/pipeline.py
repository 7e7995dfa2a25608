"""Wiring of the pipeline ``tuning``."""

from kedro.pipeline import Node, Pipeline

from .nodes import tune_catboost


def create_pipeline() -> Pipeline:
    """From the tables of a training run to better parameters of its models."""
    tune = Node(
        tune_catboost,
        inputs=[
            "model_input",
            "oof_word_scores",
            "battles",
            "folds",
            "tuning_trials",
            "params:modelling",
            "params:tuning",
            "params:seed",
        ],
        outputs="tuned_parameters",
        name="tune_catboost",
    )
    return Pipeline(
        [tune],
        namespace="train",
        inputs={"oof_word_scores", "folds", "tuning_trials"},
        outputs="tuned_parameters",
        parameters={"modelling", "tuning", "seed"},
    )
