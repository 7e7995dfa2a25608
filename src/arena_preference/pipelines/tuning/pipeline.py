"""Wiring of the pipeline ``tuning``."""

from kedro.pipeline import Node, Pipeline

from .nodes import tune_catboost


def create_pipeline() -> Pipeline:
    """The tables of a training run to better parameters of its models."""
    return Pipeline(
        [
            Node(
                tune_catboost,
                inputs=[
                    "train_model_input",
                    "oof_linear_logits",
                    "labels",
                    "tuning_trials",
                    "params:modelling",
                    "params:tuning",
                ],
                outputs="tuned_parameters",
                name="tune_catboost",
                tags="train",
            ),
        ],
        namespace="tuning",
        prefix_datasets_with_namespace=False,
    )
