"""Wiring of the pipeline ``distil``."""

from kedro.pipeline import Node, Pipeline

from .nodes import write_soft_labels


def create_pipeline() -> Pipeline:
    """The test battles of a run, with its predictions, to a training file."""
    return Pipeline(
        [
            Node(
                write_soft_labels,
                inputs=["test_battles", "test_predictions"],
                outputs="distilled_battles",
                name="write_soft_labels",
                tags="test",
            ),
        ],
        namespace="distil",
        prefix_datasets_with_namespace=False,
    )
