import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from arena_preference.battles import LABEL_COLUMNS
from arena_preference.pipelines.reporting.config import ReportingConfig
from arena_preference.pipelines.reporting.performance import (
    bin_predictions,
    score_classes,
    summarise_performance,
)

from .conftest import Run, add_source

BATTLES = 3000


def summarise(run: Run, config: ReportingConfig) -> dict[str, Any]:
    return summarise_performance(
        run.oof_predictions, run.metrics, run.learning_curve, run.cross_encoders, run.ablation, config
    )


def test_perfect_predictions_are_reliable_in_every_bin(rng: np.random.Generator) -> None:
    probabilities = rng.dirichlet([2, 2, 2], size=BATTLES)
    labels = np.array([rng.choice(3, p=row) for row in probabilities])
    bins = bin_predictions(probabilities, np.eye(3)[labels], 5)
    assert bins.groupby("label").size().tolist() == [5, 5, 5]
    np.testing.assert_allclose(bins["value"], bins["predicted"], atol=0.07)


def test_overconfident_predictions_leave_the_diagonal(rng: np.random.Generator) -> None:
    bins = bin_predictions(rng.dirichlet([0.3] * 3, size=BATTLES), np.eye(3)[rng.integers(3, size=BATTLES)], 5)
    highest = bins[bins["label"] == 0].iloc[-1]
    assert highest["predicted"] - highest["value"] > 0.4
    assert highest["high"] < highest["predicted"]


def test_the_interval_of_a_bin_is_wilsons_also_without_a_hit() -> None:
    bins = bin_predictions(np.full((50, 3), 1 / 3), np.tile([1.0, 0.0, 0.0], (50, 1)), 2)
    ties = bins[bins["label"] == 2].iloc[0]
    expected = binomtest(0, 25).proportion_ci(method="wilson")
    assert ties[["value", "low", "high"]].tolist() == pytest.approx([0, expected.low, expected.high], abs=1e-4)
    assert ties["high"] > 0.1


def test_the_contributions_of_the_classes_sum_to_the_log_loss(rng: np.random.Generator) -> None:
    probabilities, labels = rng.dirichlet([2, 2, 2], size=BATTLES), rng.integers(2, size=BATTLES)
    scores = score_classes(probabilities, labels, np.eye(3)[labels])
    assert scores["contribution"].sum() == pytest.approx(-np.log(probabilities[np.arange(BATTLES), labels]).mean())
    assert scores["battles"].tolist() == [*np.bincount(labels), 0]
    likeliest = probabilities.argmax(axis=1)
    assert scores["recall"][1] == pytest.approx((likeliest[labels == 1] == 1).mean())
    assert scores["precision"][1] == pytest.approx((labels[likeliest == 1] == 1).mean())
    assert scores["mean_probability"].tolist() == pytest.approx(probabilities.mean(axis=0))
    # A class without battles costs nothing.
    assert scores.loc[2, ["recall", "precision", "log_loss", "contribution"]].tolist() == [0, 0, 0, 0]


def test_the_numbers_of_all_figures_are_plain_json(run: Run, config: ReportingConfig) -> None:
    run.learning_curve = pd.DataFrame({"battles": [9.0, 5.0], "log_loss": [0.9, 1.0], "low": 0.8, "high": 1.1})
    run.cross_encoders = {"history": [{"fold": 0, "step": 2, "epoch": 1.0, "loss": None, "log_loss": 0.9}]}
    run.ablation = pd.DataFrame({"left_out": ["a", "b"], "difference": [0.1, 0.2]})
    numbers = summarise(run, config)
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers
    assert [row["battles"] for row in numbers["learning_curve"]] == [5, 9]
    assert [row["left_out"] for row in numbers["ablation"]] == ["b", "a"]
    assert numbers["training"] == run.cross_encoders["history"]
    assert numbers["prompt_groups"] == 80
    confusion = np.array(numbers["confusion"])
    assert confusion.sum(axis=1).tolist() == np.bincount(run.oof_predictions["label"], minlength=3).tolist()
    likeliest = run.oof_predictions[list(LABEL_COLUMNS)].to_numpy().argmax(axis=1)
    assert np.trace(confusion) == (likeliest == run.oof_predictions["label"]).sum()
    for counts in numbers["histograms"].values():
        assert sum(counts) == 240
    # The largest of three probabilities is at least a third.
    assert sum(numbers["histograms"]["largest"][:13]) == 0


def test_the_numbers_are_of_the_battles_that_the_metrics_are_of(run: Run, config: ReportingConfig) -> None:
    add_source(run, "other.csv", range(80, 240))
    numbers = summarise(run, config)
    assert np.sum(numbers["confusion"]) == sum(row["battles"] for row in numbers["classes"]) == 80
    assert sum(numbers["histograms"]["largest"]) == 80
