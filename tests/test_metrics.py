import numpy as np
import pytest

from arena_preference.metrics import (
    compute_losses,
    estimate_calibration_error,
    estimate_intervals,
    estimate_means,
    estimate_ratios,
    resample_sums,
)


def test_every_resample_has_whole_groups_and_as_many_as_there_are() -> None:
    groups = np.repeat([f"group {number}" for number in range(30)], 4)
    sums = resample_sums(np.ones((120, 1)), groups, n_resamples=40, seed=0)
    assert sums.shape == (40, 1)
    assert np.all(sums == 120)
    one_group = resample_sums((groups == "group 3")[:, None].astype(float), groups, n_resamples=40, seed=0)
    assert set(one_group.ravel() % 4) == {0.0}


def test_intervals_cover_the_truth_about_as_often_as_they_say(rng: np.random.Generator) -> None:
    groups = np.arange(200)
    hits = 0
    for trial in range(100):
        row = estimate_means(rng.normal(size=(200, 1)), groups, n_resamples=200, seed=trial).iloc[0]
        hits += row["low"] <= 0 <= row["high"]
    assert 88 <= hits <= 100


def test_battles_with_the_same_prompt_widen_the_interval(rng: np.random.Generator) -> None:
    values = np.repeat(rng.normal(size=50), 8)[:, None]
    separate = estimate_means(values, np.arange(400), n_resamples=300, seed=0).iloc[0]
    grouped = estimate_means(values, np.repeat(np.arange(50), 8), n_resamples=300, seed=0).iloc[0]
    assert grouped["high"] - grouped["low"] > 2 * (separate["high"] - separate["low"])


def test_intervals_contain_their_value_even_where_one_group_decides(rng: np.random.Generator) -> None:
    groups = np.array(["rare", *["common"] * 9, *[f"g{number}" for number in range(30)]])
    inside = np.column_stack([groups == "rare", groups == "common", np.ones(40)]).astype(float)
    values = rng.exponential(size=40)[:, None]
    table = estimate_ratios(inside * values, inside, groups, n_resamples=50, seed=0)
    assert np.isfinite(table.to_numpy()).all()
    assert table["value"].between(table["low"], table["high"]).all()
    assert table["value"][0] == pytest.approx(values[0, 0])


def test_the_same_seed_returns_the_same_intervals_by_name(rng: np.random.Generator) -> None:
    values, groups = {"one": rng.normal(size=60), "two": rng.normal(size=60)}, np.arange(60) // 3
    intervals = estimate_intervals(values, groups, 60, 7)
    assert {name: interval["value"] for name, interval in intervals.items()} == {
        name: pytest.approx(of_name.mean()) for name, of_name in values.items()
    }
    assert intervals == estimate_intervals(values, groups, 60, 7)
    assert intervals != estimate_intervals(values, groups, 60, 8)


def test_the_calibration_error_of_calibrated_probabilities_is_near_zero(rng: np.random.Generator) -> None:
    probabilities = rng.dirichlet([1, 1, 1], size=4000)
    labels = np.array([rng.choice(3, p=row) for row in probabilities])
    error = estimate_calibration_error(probabilities, np.eye(3)[labels], 10, np.arange(4000), 100, 0)
    assert 0 <= error["low"] <= error["value"] <= error["high"] < 0.04


def test_a_probability_of_zero_has_a_large_but_finite_loss() -> None:
    losses = compute_losses(np.array([[0.0, 1.0, 0.0], [0.25, 0.5, 0.25]]), np.eye(3)[[0, 1]])
    assert np.isfinite(losses).all()
    assert losses[0] > 700
    assert losses[1] == pytest.approx(np.log(2))


def test_the_loss_of_a_vote_has_the_bits_of_its_logarithm_and_a_soft_label_the_expected_loss(
    rng: np.random.Generator,
) -> None:
    probabilities = rng.dirichlet([0.2, 0.2, 0.2], size=500)
    label = rng.integers(3, size=500)
    np.testing.assert_array_equal(
        compute_losses(probabilities, np.eye(3)[label]), -np.log(probabilities[np.arange(500), label])
    )
    of_classes = np.column_stack([compute_losses(probabilities, np.eye(3)[[k] * 500]) for k in range(3)])
    targets = rng.dirichlet([1, 1, 1], size=500)
    np.testing.assert_allclose(compute_losses(probabilities, targets), (targets * of_classes).sum(axis=1))


def test_soft_labels_that_are_the_predictions_are_calibrated(rng: np.random.Generator) -> None:
    probabilities = rng.dirichlet([1, 1, 1], size=400)
    assert estimate_calibration_error(probabilities, probabilities, 10, np.arange(400), 20, 0)["value"] == 0
