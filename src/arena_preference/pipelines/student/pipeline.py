"""Wiring of the pipeline ``student``."""

from kedro.pipeline import Node, Pipeline

from .nodes import fit_student, join_soft_labels, leave_out_cross_encoders


def create_pipeline() -> Pipeline:
    """Votes and soft labels to a preference model; the registry puts the other stages around it."""
    return Pipeline(
        [
            Node(
                leave_out_cross_encoders,
                inputs=["train_battles", "test_battles"],
                outputs=["cross_encoders", "train_cross_encoder_logits", "test_cross_encoder_logits"],
                name="leave_out_cross_encoders",
            ),
            Node(
                join_soft_labels,
                inputs=["test_model_input", "linear_model", "soft_labels", "params:student"],
                outputs="soft_labelled_input",
                name="join_soft_labels",
            ),
            Node(
                fit_student,
                inputs=[
                    "train_model_input",
                    "oof_linear_logits",
                    "labels",
                    "soft_labelled_input",
                    "params:modelling",
                    "params:seed",
                ],
                outputs=["preference_model", "calibration", "oof_logits"],
                name="fit_student",
                tags="gpu",
            ),
        ],
        # The stage that these nodes are part of; between its nodes, those of another would interrupt it.
        namespace="modelling",
        prefix_datasets_with_namespace=False,
    )
