"""Wiring of the pipeline ``evaluation``."""

from kedro.pipeline import Node, Pipeline

from .nodes import evaluate_submission


def create_pipeline() -> Pipeline:
    """A submission and the labels of its battles, held out until now, to its log loss and accuracy."""
    return Pipeline(
        [
            Node(
                evaluate_submission,
                inputs=["submission", "test.battles", "test.labels", "params:seed"],
                outputs="submission_metrics",
                name="evaluate_submission",
                tags="test",
            ),
        ],
        namespace="evaluation",
        prefix_datasets_with_namespace=False,
    )
