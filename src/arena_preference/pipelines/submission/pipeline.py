"""Wiring of the pipeline ``submission``."""

from kedro.pipeline import Node, Pipeline

from .nodes import make_submission


def create_pipeline() -> Pipeline:
    """Predictions to the file; the registry puts the test split of the other stages before it."""
    return Pipeline(
        [
            Node(
                make_submission,
                inputs=["test_predictions", "test_battles", "labels"],
                outputs="submission",
                name="make_submission",
                tags="test",
            ),
        ],
        namespace="submission",
        prefix_datasets_with_namespace=False,
    )
