"""Wiring of the pipeline ``distil``."""

from kedro.pipeline import Node, Pipeline

from arena_preference.pipelines.finetuning.nodes import predict_fold_logits

from .nodes import label_battles


def create_pipeline() -> Pipeline:
    """The test battles of a run to soft labels by its models."""
    return Pipeline(
        [
            Node(
                predict_fold_logits,
                inputs=["test_battles", "cross_encoder_store", "cross_encoders", "params:finetuning"],
                outputs="cross_encoder_fold_logits",
                name="predict_cross_encoder_fold_logits",
                tags=["test", "gpu"],
            ),
            Node(
                label_battles,
                inputs=[
                    "test_model_input",
                    "cross_encoder_fold_logits",
                    "linear_model",
                    "preference_model",
                    "calibration",
                ],
                outputs="soft_labels",
                name="label_test_battles",
                tags="test",
            ),
        ],
        namespace="distil",
        prefix_datasets_with_namespace=False,
    )
