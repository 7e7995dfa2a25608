"""Wiring of the pipeline ``evaluation``."""

from kedro.pipeline import Node, Pipeline

from .nodes import evaluate_submission


def create_pipeline() -> Pipeline:
    """A submission and the held-out labels of its battles to metrics."""
    return Pipeline(
        [
            Node(
                evaluate_submission,
                inputs=["submission", "test_battles", "test_labels", "params:modelling.n_resamples", "params:seed"],
                outputs="submission_metrics",
                name="evaluate_submission",
                tags="test",
            ),
        ],
        namespace="evaluation",
        prefix_datasets_with_namespace=False,
    )
