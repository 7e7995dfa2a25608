"""Wiring of the pipeline ``simulation``."""

from kedro.pipeline import Node, Pipeline

from .nodes import simulate_test_battles, simulate_train_battles, summarise_simulation


def create_pipeline() -> Pipeline:
    """Return the pipeline that simulates both splits with their true probabilities and summarises them."""
    return Pipeline(
        [
            Node(
                simulate_train_battles,
                inputs=["params:simulation", "params:seed"],
                outputs=["train", "train_truth"],
                name="simulate_train_battles",
            ),
            Node(
                simulate_test_battles,
                inputs=["params:simulation", "params:seed"],
                outputs=["test", "test_truth"],
                name="simulate_test_battles",
            ),
            Node(
                summarise_simulation,
                inputs=["train", "train_truth", "test", "test_truth", "params:simulation", "params:seed"],
                outputs="summary",
                name="summarise_simulation",
            ),
        ],
        namespace="simulated",
        parameters={"params:simulation", "params:seed"},
    )
