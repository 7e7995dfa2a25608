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
                outputs=["downloaded_train", "downloaded_test", "downloaded_test_labels", "downloaded_summary"],
                name="download_battles",
            )
        ],
        namespace="download",
        prefix_datasets_with_namespace=False,
    )
