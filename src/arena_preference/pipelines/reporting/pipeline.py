"""Wiring of the pipeline ``reporting``."""

from kedro.pipeline import Node, Pipeline

from .nodes import plot_feature_importance, plot_reliability


def create_pipeline() -> Pipeline:
    """From out-of-fold predictions, metrics and model to figures."""
    return Pipeline(
        [
            Node(
                plot_reliability,
                inputs=["oof_predictions", "metrics", "params:reporting"],
                outputs="reliability_diagram",
                name="plot_reliability",
            ),
            Node(
                plot_feature_importance,
                inputs=["preference_model", "params:reporting"],
                outputs="feature_importance",
                name="plot_feature_importance",
            ),
        ]
    )
