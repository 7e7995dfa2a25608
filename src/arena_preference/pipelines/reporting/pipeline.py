"""Wiring of the pipeline ``reporting``."""

from kedro.pipeline import Node, Pipeline

from .bias import (
    measure_formatting_bias,
    measure_position_bias,
    measure_self_enhancement,
    measure_verbosity_bias,
)
from .bias_figures import plot_formatting_bias, plot_position_bias, plot_self_enhancement, plot_verbosity_bias
from .failures import find_highest_loss_battles, plot_prompt_kinds, plot_slices, score_slices
from .importance import plot_ablation, plot_family_importance, plot_feature_importance, rank_features
from .nodes import (
    plot_confusion,
    plot_finetuning,
    plot_learning_curve,
    plot_reliability,
    plot_scores,
    plot_sharpness,
    score_classes,
)
from .page import write_report


def create_pipeline() -> Pipeline:
    """From out-of-fold predictions, metrics and model to tables, figures and one page that holds them all."""
    drawn = ["params:reporting", "params:seed"]
    nodes = [*_create_tables(drawn), *_create_figures(), _create_page(drawn)]
    return Pipeline(nodes, namespace="reporting", tags="train", prefix_datasets_with_namespace=False)


def _create_page(drawn: list[str]) -> Node:
    return Node(
        write_report,
        inputs=[
            "oof_predictions",
            "metrics",
            "simulation_summary",
            "learning_curve",
            "finetuning_history",
            "blend_metrics",
            "ablation",
            "class_metrics",
            "position_bias",
            "verbosity_bias",
            "self_enhancement_bias",
            "formatting_bias",
            "slice_metrics",
            "highest_loss_battles",
            "feature_importance",
            *drawn,
        ],
        outputs="report",
        name="write_report",
    )


def _create_tables(drawn: list[str]) -> list[Node]:
    return [
        Node(score_classes, inputs="oof_predictions", outputs="class_metrics", name="score_classes"),
        Node(
            measure_position_bias,
            inputs=["oof_predictions", "base_model_predictions", *drawn],
            outputs="position_bias",
            name="measure_position_bias",
        ),
        Node(
            measure_verbosity_bias,
            inputs=["oof_predictions", "train.battles", *drawn],
            outputs="verbosity_bias",
            name="measure_verbosity_bias",
        ),
        Node(
            measure_self_enhancement,
            inputs=["oof_predictions", "train.battles", *drawn],
            outputs="self_enhancement_bias",
            name="measure_self_enhancement",
        ),
        Node(
            measure_formatting_bias,
            inputs=["oof_predictions", "train.model_input", *drawn],
            outputs="formatting_bias",
            name="measure_formatting_bias",
        ),
        Node(
            score_slices,
            inputs=["oof_predictions", "train.battles", "train.model_input", "base_model_predictions", *drawn],
            outputs="slice_metrics",
            name="score_slices",
        ),
        Node(
            find_highest_loss_battles,
            inputs=[
                "oof_predictions",
                "train.battles",
                "train.shap_input",
                "preference_model",
                "params:reporting",
            ],
            outputs="highest_loss_battles",
            name="find_highest_loss_battles",
        ),
        Node(
            rank_features,
            inputs=["preference_model", "feature_groups"],
            outputs="feature_importance",
            name="rank_features",
        ),
    ]


def _create_figures() -> list[Node]:
    return [
        Node(
            plot_scores,
            inputs=["metrics", "simulation_summary"],
            outputs="score_comparison",
            name="plot_scores",
        ),
        Node(plot_confusion, inputs="oof_predictions", outputs="confusion_matrix", name="plot_confusion"),
        Node(
            plot_learning_curve,
            inputs="learning_curve",
            outputs="learning_curve_figure",
            name="plot_learning_curve",
        ),
        Node(
            plot_finetuning,
            inputs="finetuning_history",
            outputs="finetuning_figure",
            name="plot_finetuning",
        ),
        Node(
            plot_reliability,
            inputs=["oof_predictions", "metrics", "params:reporting"],
            outputs="reliability_diagram",
            name="plot_reliability",
        ),
        Node(plot_sharpness, inputs="oof_predictions", outputs="sharpness_histogram", name="plot_sharpness"),
        Node(
            plot_position_bias,
            inputs="position_bias",
            outputs="position_bias_figure",
            name="plot_position_bias",
        ),
        Node(
            plot_verbosity_bias,
            inputs="verbosity_bias",
            outputs="verbosity_bias_figure",
            name="plot_verbosity_bias",
        ),
        Node(
            plot_self_enhancement,
            inputs="self_enhancement_bias",
            outputs="chatbot_bias_figure",
            name="plot_self_enhancement",
        ),
        Node(
            plot_formatting_bias,
            inputs="formatting_bias",
            outputs="formatting_bias_figure",
            name="plot_formatting_bias",
        ),
        Node(plot_slices, inputs=["slice_metrics", "metrics"], outputs="slice_scores_figure", name="plot_slices"),
        Node(
            plot_prompt_kinds,
            inputs=["slice_metrics", "metrics"],
            outputs="prompt_kind_figure",
            name="plot_prompt_kinds",
        ),
        Node(
            plot_family_importance,
            inputs="feature_importance",
            outputs="family_importance",
            name="plot_family_importance",
        ),
        Node(
            plot_feature_importance,
            inputs=["feature_importance", "params:reporting"],
            outputs="feature_importance_figure",
            name="plot_feature_importance",
        ),
        Node(plot_ablation, inputs="ablation", outputs="ablation_figure", name="plot_ablation"),
    ]
