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
                outputs=["simulated_train", "simulated_train_truth"],
                name="simulate_train_battles",
            ),
            Node(
                simulate_test_battles,
                inputs=["params:simulation", "params:seed"],
                outputs=["simulated_test", "simulated_test_truth"],
                name="simulate_test_battles",
            ),
            Node(
                summarise_simulation,
                inputs=[
                    "simulated_train",
                    "simulated_train_truth",
                    "simulated_test",
                    "simulated_test_truth",
                    "params:simulation",
                    "params:seed",
                ],
                outputs="simulated_summary",
                name="summarise_simulation",
            ),
        ],
        namespace="simulation",
        prefix_datasets_with_namespace=False,
    )
