"""Wiring of the pipeline ``reporting``."""

from kedro.pipeline import Node, Pipeline

from .bias import measure_biases
from .errors import find_highest_loss_battles, score_slices
from .figures import plot_figures
from .importance import rank_features
from .page import write_report
from .performance import summarise_performance


def create_pipeline() -> Pipeline:
    """From out-of-fold predictions, metrics and model to tables, to figures of the tables, to one page of both."""
    nodes = [
        Node(
            summarise_performance,
            inputs=["oof_predictions", "metrics", "learning_curve", "cross_encoders", "ablation", "params:reporting"],
            outputs="performance",
            name="summarise_performance",
        ),
        Node(
            measure_biases,
            inputs=[
                "oof_predictions",
                "train_battles",
                "train_model_input",
                "ingestion_summary",
                "params:reporting",
                "params:seed",
            ],
            outputs="bias_audit",
            name="measure_biases",
        ),
        Node(
            score_slices,
            inputs=[
                "oof_predictions",
                "train_battles",
                "train_model_input",
                "ingestion_summary",
                "params:reporting",
                "params:seed",
            ],
            outputs="slice_metrics",
            name="score_slices",
        ),
        Node(
            find_highest_loss_battles,
            inputs=[
                "oof_predictions",
                "train_battles",
                "train_model_input",
                "linear_model",
                "preference_model",
                "params:reporting",
            ],
            outputs="highest_loss_battles",
            name="find_highest_loss_battles",
        ),
        Node(
            rank_features,
            inputs=["train_model_input", "preference_model", "linear_model", "feature_groups"],
            outputs="feature_importance",
            name="rank_features",
        ),
        Node(
            plot_figures,
            inputs=["performance", "bias_audit", "slice_metrics", "feature_importance", "params:reporting"],
            outputs="figures",
            name="plot_figures",
        ),
        Node(
            write_report,
            inputs=[
                "figures",
                "performance",
                "bias_audit",
                "slice_metrics",
                "highest_loss_battles",
                "ingestion_summary",
            ],
            outputs="report",
            name="write_report",
        ),
    ]
    return Pipeline(nodes, namespace="reporting", tags="train", prefix_datasets_with_namespace=False)
