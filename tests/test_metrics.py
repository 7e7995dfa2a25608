import numpy as np
import pytest

from arena_preference.metrics import (
    compute_losses,
    estimate_calibration_error,
    estimate_means,
    estimate_ratios,
    resample_sums,
)


def test_every_draw_takes_whole_groups_as_many_as_there_are(rng: np.random.Generator) -> None:
    groups = np.repeat([f"group {number}" for number in range(30)], 4)
    sums = resample_sums(np.ones((120, 1)), groups, draws=40, seed=0)
    assert sums.shape == (40, 1)
    assert np.all(sums == 120)
    ones = resample_sums((groups == "group 3")[:, None].astype(float), groups, draws=40, seed=0)
    assert set(ones.ravel() % 4) == {0.0}


def test_intervals_cover_the_truth_about_as_often_as_they_say(rng: np.random.Generator) -> None:
    groups = np.arange(200)
    hits = 0
    for trial in range(100):
        row = estimate_means(rng.normal(size=(200, 1)), groups, draws=200, seed=trial).iloc[0]
        hits += row["low"] <= 0 <= row["high"]
    assert 88 <= hits <= 100


def test_battles_that_share_a_prompt_widen_the_interval(rng: np.random.Generator) -> None:
    values = np.repeat(rng.normal(size=50), 8)[:, None]
    apart = estimate_means(values, np.arange(400), draws=300, seed=0).iloc[0]
    together = estimate_means(values, np.repeat(np.arange(50), 8), draws=300, seed=0).iloc[0]
    assert together["high"] - together["low"] > 2 * (apart["high"] - apart["low"])


def test_intervals_contain_their_value_even_where_one_group_decides(rng: np.random.Generator) -> None:
    groups = np.array(["rare", *["common"] * 9, *[f"g{number}" for number in range(30)]])
    inside = np.column_stack([groups == "rare", groups == "common", np.ones(40)]).astype(float)
    values = rng.exponential(size=40)[:, None]
    table = estimate_ratios(inside * values, inside, groups, draws=50, seed=0)
    assert np.isfinite(table.to_numpy()).all()
    assert ((table["low"] <= table["value"]) & (table["value"] <= table["high"])).all()
    assert table["value"][0] == pytest.approx(values[0, 0])


def test_the_same_seed_gives_the_same_interval(rng: np.random.Generator) -> None:
    values, groups = rng.normal(size=(60, 2)), np.arange(60) // 3
    assert estimate_means(values, groups, 60, 7).equals(estimate_means(values, groups, 60, 7))
    assert not estimate_means(values, groups, 60, 7).equals(estimate_means(values, groups, 60, 8))


def test_the_calibration_error_of_calibrated_probabilities_is_near_zero_and_its_interval_holds_it(
    rng: np.random.Generator,
) -> None:
    probabilities = rng.dirichlet([1, 1, 1], size=4000)
    labels = np.array([rng.choice(3, p=row) for row in probabilities])
    figure = estimate_calibration_error(probabilities, labels, 10, np.arange(4000), 100, 0)
    assert 0 <= figure["low"] <= figure["value"] <= figure["high"] < 0.04


def test_a_probability_of_zero_costs_much_and_not_infinity() -> None:
    losses = compute_losses(np.array([[0.0, 1.0, 0.0], [0.25, 0.5, 0.25]]), np.array([0, 1]))
    assert np.isfinite(losses).all()
    assert losses[0] > 700
    assert losses[1] == pytest.approx(np.log(2))
