import numpy as np
import pandas as pd
import pytest

from arena_preference.battles import LABEL_COLUMNS
from arena_preference.pipelines.reporting.config import ReportingConfig
from arena_preference.pipelines.reporting.nodes import (
    find_bayes_limit,
    plot_confusion,
    plot_finetuning,
    plot_learning_curve,
    plot_reliability,
    plot_scores,
    plot_sharpness,
    score_classes,
)

METRICS = {"battles": 3000, "expected_calibration_error": {"value": 0.01}}


def draw_table(rng: np.random.Generator, concentration: float) -> pd.DataFrame:
    return pd.DataFrame(rng.dirichlet([concentration] * 3, size=3000), columns=list(LABEL_COLUMNS))


def test_reliability_of_perfect_predictions_lies_on_the_diagonal(
    rng: np.random.Generator, options: ReportingConfig
) -> None:
    table = draw_table(rng, 2)
    table["label"] = [rng.choice(3, p=row) for row in table.to_numpy()]
    axes = plot_reliability(table, METRICS, options).axes[0]
    assert len(axes.containers) == 3
    for container in axes.containers:
        predicted, observed = container.lines[0].get_data()
        assert len(predicted) == 5
        np.testing.assert_allclose(observed, predicted, atol=0.07)


def test_reliability_of_overconfident_predictions_leaves_the_diagonal(
    rng: np.random.Generator, options: ReportingConfig
) -> None:
    table = draw_table(rng, 0.3)
    table["label"] = rng.integers(3, size=3000)
    predicted, observed = plot_reliability(table, METRICS, options).axes[0].containers[0].lines[0].get_data()
    assert predicted[-1] - observed[-1] > 0.4


def test_a_bin_without_a_hit_still_has_an_interval(options: ReportingConfig) -> None:
    table = pd.DataFrame(np.full((50, 3), 1 / 3), columns=list(LABEL_COLUMNS)).assign(label=0)
    ties = plot_reliability(table, METRICS, options).axes[0].containers[2]
    segments = ties.lines[2][0].get_segments()
    assert all(top[1] - bottom[1] > 0.1 for bottom, top in segments)


def test_the_contributions_of_the_classes_sum_to_the_log_loss(rng: np.random.Generator) -> None:
    table = draw_table(rng, 2)
    table["label"] = rng.integers(2, size=3000)
    scores = score_classes(table)
    chosen = table[list(LABEL_COLUMNS)].to_numpy()[np.arange(3000), table["label"]]
    assert scores["loss_contribution"].sum() == pytest.approx(-np.log(chosen).mean())
    assert scores["battles"].tolist() == [*np.bincount(table["label"]), 0]
    # A class without battles costs nothing and breaks nothing.
    assert scores.loc[2, ["recall", "log_loss", "loss_contribution"]].tolist() == [0, 0, 0]


def test_the_confusion_counts_every_battle_once() -> None:
    table = pd.DataFrame([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1], [0.1, 0.3, 0.6]], columns=list(LABEL_COLUMNS))
    texts = [text.get_text() for text in plot_confusion(table.assign(label=[0, 1, 1])).axes[0].texts]
    assert texts == ["1\n100 %", "0\n0 %", "0\n0 %", "1\n50 %", "0\n0 %", "1\n50 %", *["0\n0 %"] * 3]


@pytest.mark.parametrize(
    ("summary", "limit"),
    [
        ({}, None),
        ({"train": {"battles": 1000, "bayes_optimal_log_loss": 0.9}}, 0.9),
        ({"train": {"battles": 1020, "bayes_optimal_log_loss": 0.9}}, 0.9),
        ({"train": {"battles": 1021, "bayes_optimal_log_loss": 0.9}}, None),
        ({"train": {"battles": 999, "bayes_optimal_log_loss": 0.9}}, None),
    ],
)
def test_the_bayes_limit_is_shown_for_the_simulated_battles_alone(summary: dict, limit: float | None) -> None:
    interval = {"value": 1.0, "low": 0.9, "high": 1.1}
    metrics = {"battles": 1000, **dict.fromkeys(("log_loss", "length_log_loss", "prior_log_loss"), interval)}
    assert find_bayes_limit(metrics, summary) == limit
    assert bool(plot_scores(metrics, summary).legends) == (limit is not None)


def test_the_learning_curve_is_drawn_in_the_order_of_its_battles() -> None:
    curve = pd.DataFrame({"battles": [800.0, 200.0], "log_loss": [0.9, 1.0], "low": [0.8, 0.9], "high": [1.0, 1.1]})
    battles, losses = plot_learning_curve(curve).axes[0].containers[0].lines[0].get_data()
    assert list(battles) == [200, 800]
    assert list(losses) == [1.0, 0.9]


def test_the_course_of_each_training_is_drawn_and_none_is_a_note() -> None:
    history = pd.DataFrame(
        {
            "fold": [0, 0, 1, 1],
            "step": [4, 4, 4, 8],
            "loss": [1.0, np.nan, 1.1, np.nan],
            "log_loss": [np.nan, 0.9, np.nan, 0.8],
        }
    )
    lines = [line.get_xydata().tolist() for line in plot_finetuning(history).axes[0].lines]
    assert [line for line in lines if line] == [[[4, 1.0]], [[4, 1.1]], [[4, 0.9]], [[8, 0.8]]]
    assert not plot_finetuning(history[:0]).axes


def test_the_histogram_of_the_largest_probability_starts_at_a_third(rng: np.random.Generator) -> None:
    bars = plot_sharpness(draw_table(rng, 2)).axes[0].patches
    assert sum(bar.get_height() for bar in bars) == pytest.approx(1)
    assert min(bar.get_x() for bar in bars if bar.get_height() > 0) >= 0.3
