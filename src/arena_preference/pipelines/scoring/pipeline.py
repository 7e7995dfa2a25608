"""Wiring of the pipeline ``scoring``."""

from kedro.pipeline import Node, Pipeline

from .nodes import score_submission


def create_pipeline() -> Pipeline:
    """From a submission and verdicts that were held out to its scores."""
    return Pipeline(
        [
            Node(
                score_submission,
                inputs=["submission", "battles", "labels", "params:seed"],
                outputs="submission_scores",
                name="score_submission",
            )
        ],
        namespace="test",
        inputs="submission",
        outputs="submission_scores",
        parameters="params:seed",
    )
