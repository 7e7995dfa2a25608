import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from arena_preference.pipelines.reporting.drawing import clean_label, draw_intervals, label_rows, make_axes
from arena_preference.pipelines.reporting.figures import (
    plot_ablation,
    plot_confusion_matrix,
    plot_feature_groups,
    plot_feature_importance,
    plot_finetuning,
    plot_learning_curve,
    plot_position_bias,
    plot_probabilities,
    plot_reliability,
    plot_scores,
    plot_self_enhancement_bias,
    plot_slices,
)

from .conftest import INTERVAL, METRIC_NAMES


def row_labels(figure: Figure, axes: int = 0) -> list[str]:
    return [text.get_text() for text in figure.axes[axes].get_yticklabels()]


def title(figure: Figure) -> str:
    return " ".join(figure.get_suptitle().split())


def test_reliability_draws_the_bins_of_each_class() -> None:
    rows = [(label, 0.2 + 0.1 * label + 0.3 * k, 0.25 + 0.3 * k, 0.1, 0.7) for label in range(3) for k in range(2)]
    bins = pd.DataFrame(rows, columns=["label", "predicted", "value", "low", "high"])
    axes = plot_reliability(bins, {"value": 0.0123, "low": 0.01, "high": 0.02}).axes[0]
    diagonal, *curves = (line.get_xydata().tolist() for line in axes.lines if line.get_linestyle() != "None")
    assert diagonal == [[0, 0], [1, 1]]
    assert curves[2] == bins.loc[bins["label"] == 2, ["predicted", "value"]].to_numpy().tolist()
    assert len(axes.containers) == 3


def test_the_confusion_matrix_shows_counts_and_fractions_of_a_label() -> None:
    figure = plot_confusion_matrix(np.array([[1, 0, 0], [1, 0, 1], [0, 0, 0]]), INTERVAL)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["1\n100 %", "0\n0 %", "0\n0 %", "1\n50 %", "0\n0 %", "1\n50 %", *["0\n0 %"] * 3]


@pytest.mark.parametrize("optimal", [None, 0.8123])
def test_the_bayes_optimal_log_loss_is_a_line_where_it_is_known(optimal: float | None) -> None:
    metrics = {**dict.fromkeys(METRIC_NAMES, INTERVAL), "battles": 1200}
    figure = plot_scores(metrics | ({"bayes_optimal_log_loss": optimal} if optimal else {}))
    texts = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert texts == (["Bayes-optimal 0.8123"] if optimal else [])
    assert "0.9000 [0.8000, 1.0000]" in title(figure)
    assert "1,200" in title(figure)


def test_the_learning_curve_names_its_last_point() -> None:
    curve = pd.DataFrame({"battles": [200.0, 8000.0], "log_loss": [1.0, 0.9], "low": [0.9, 0.8], "high": [1.1, 1.0]})
    figure = plot_learning_curve(curve)
    assert figure.axes[0].containers[0].lines[0].get_xydata().tolist() == [[200, 1.0], [8000, 0.9]]
    assert "0.9000 at 8,000" in title(figure)


def test_each_training_is_a_line_of_its_own() -> None:
    history = pd.DataFrame(
        {
            "fold": [0, 0, 1, 1],
            "step": [4, 4, 4, 8],
            "loss": [1.0, None, 1.1, None],
            "log_loss": [None, 0.9, None, 0.8],
        }
    )
    figure = plot_finetuning(history)
    assert [line.get_xydata().tolist() for line in figure.axes[0].lines] == [
        [[4, 1]],
        [[4, 1.1]],
        [[4, 0.9]],
        [[8, 0.8]],
    ]
    assert "0.8000 to 0.9000" in title(figure)


def test_the_title_of_the_histograms_counts_confident_predictions() -> None:
    counts = np.zeros(40, dtype=int)
    counts[[18, 20, 31, 32]] = [1, 1, 1, 1]
    names = ("largest", "winner_model_a", "winner_model_b", "winner_tie")
    figure = plot_probabilities(dict.fromkeys(names, counts.tolist()))
    assert "0.5 in 75.0 %" in title(figure)
    assert "0.8 in 25.0 %" in title(figure)


def test_the_position_figure_names_bias_and_flips() -> None:
    names = ("original_order", "swapped_order", "averaged", "votes", "bias", "flips")
    figure = plot_position_bias({name: {"value": 0.1, "low": 0.05, "high": 0.2} for name in names})
    assert "+0.100 [+0.050, +0.200]" in title(figure)
    assert "10.0 %" in title(figure)
    assert len(row_labels(figure)) == 4


def test_slices_have_a_panel_for_each_dimension_in_their_order() -> None:
    slices = pd.DataFrame(
        {"dimension": ["turns", "turns", "kind"], "slice": ["1", "2", "code"], "battles": [2000, 5, 7], "value": 1.0}
    ).assign(low=0.9, high=1.1)
    slices.loc[1, "value"] = 1.05
    figure = plot_slices(slices, "slice", {"log_loss": INTERVAL})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["turns", "kind"]
    assert row_labels(figure) == ["1 (2,000)", "2 (5)"]
    assert "2, 1.050" in title(figure)


def test_names_in_the_title_of_slices_can_be_drawn() -> None:
    slices = pd.DataFrame({"dimension": "language", "slice": ["中文 $x$"], "battles": 7, "value": 1.0})
    figure = plot_slices(slices.assign(low=0.9, high=1.1), "language", {"log_loss": INTERVAL})
    figure.canvas.draw()
    assert r"\$x\$, 1.000" in title(figure)


def test_importance_shows_the_top_features_and_adds_up_the_groups() -> None:
    importance = pd.DataFrame(
        {
            "feature": ["characters__reldiff", "words__sum", "topic__prompt"],
            "group": ["text", "text", "prompt"],
            "importance": [60.0, 10.0, 30.0],
        }
    )
    figure = plot_feature_importance(importance, 2)
    assert row_labels(figure) == ["characters · reldiff", "words · sum"]
    assert max(figure.axes[0].patches, key=lambda bar: bar.get_y()).get_width() == 60
    groups = plot_feature_groups(importance)
    assert row_labels(groups) == ["text (2)", "prompt (1)"]
    assert [bar.get_width() for bar in groups.axes[0].patches] == [70, 30]


def test_an_ablation_has_a_row_for_each_group_and_intervals_that_exclude_zero_are_counted() -> None:
    ablation = pd.DataFrame(
        {
            "left_out": ["relevance", "embedding"],
            "features": [2, 3],
            "log_loss": [1.0, 0.9],
            "difference": [0.1, -0.01],
            "low": [0.05, -0.02],
            "high": [0.15, 0.01],
        }
    )
    figure = plot_ablation(ablation)
    assert row_labels(figure) == ["relevance", "embedding"]
    assert "1 of 2" in title(figure)


def test_names_of_models_are_drawn_whatever_letters_they_have() -> None:
    names = ["$math$ bot", "第三 bot", "tab\tand\x00nul", "a-very-long-name" * 4]
    table = pd.DataFrame({"model": names, "difference": 0.0, "difference_low": -0.1, "difference_high": 0.1})
    figure = plot_self_enhancement_bias(table)
    figure.canvas.draw()
    assert row_labels(figure)[0] == r"\$math\$ bot"
    assert len(clean_label(names[3])) <= 34


def test_rows_that_a_mask_leaves_out_keep_their_position() -> None:
    _, axes = make_axes(2, "title")
    table = pd.DataFrame({"value": [1.0, 2.0, 3.0], "low": 0.5, "high": 3.5})
    draw_intervals(axes, table, rows=[True, False, True])
    label_rows(axes, ["a", "b", "c"])
    assert axes.containers[0].lines[0].get_xydata().tolist() == [[1, 2], [3, 0]]
    assert axes.get_yticks().tolist() == [2, 1, 0]
