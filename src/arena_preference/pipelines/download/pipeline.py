"""Wiring of the pipeline ``download``."""

from kedro.pipeline import Node, Pipeline

from .nodes import download_battles


def create_pipeline() -> Pipeline:
    """From parameters to the raw files of both splits."""
    return Pipeline(
        [
            Node(
                download_battles,
                inputs=["params:download", "params:seed"],
                outputs=["train", "test", "test_labels", "summary"],
                name="download_battles",
            )
        ],
        namespace="downloaded",
        parameters={"params:download", "params:seed"},
    )
