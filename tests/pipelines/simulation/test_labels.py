import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from arena_preference.pipelines.simulation.labels import (
    compute_label_probabilities,
    compute_quality,
    count_style,
    draw_labels,
)
from arena_preference.pipelines.simulation.responses import Traits
from arena_preference.symmetry import swap_probabilities


def log_loss(probabilities, labels):
    return sklearn.metrics.log_loss(labels, probabilities, labels=[0, 1, 2])


@pytest.mark.parametrize("temperature", [0.8, 1.25])
def test_no_temperature_beats_the_truth(temperature, large_simulation):
    sharpened = large_simulation.probabilities ** (1 / temperature)
    sharpened /= sharpened.sum(axis=1, keepdims=True)
    labels = large_simulation.labels
    assert log_loss(large_simulation.probabilities, labels) < log_loss(sharpened, labels)


def test_no_shrinking_to_the_prior_beats_the_truth(large_simulation):
    truth, labels = large_simulation.probabilities, large_simulation.labels
    prior = np.bincount(labels) / len(labels)
    assert log_loss(truth, labels) < log_loss(0.9 * truth + 0.1 * prior, labels)


def test_no_shift_of_position_or_ties_beats_the_truth(large_simulation):
    truth, labels = large_simulation.probabilities, large_simulation.labels
    best = log_loss(truth, labels)
    for factors in ([1.1, 1.0, 1.0], [1.0, 1.1, 1.0], [1.0, 1.0, 1.1], [1.0, 1.0, 0.9]):
        biased = truth * factors
        assert best < log_loss(biased / biased.sum(axis=1, keepdims=True), labels)


def test_labels_occur_as_often_as_the_truth_says(large_simulation):
    for label in range(3):
        stated = large_simulation.probabilities[:, label]
        for tenth in np.array_split(np.argsort(stated), 10):
            happened = (large_simulation.labels[tenth] == label).mean()
            # Four standard errors of a fraction of 2,000.
            assert happened == pytest.approx(stated[tenth].mean(), abs=4 * 0.5 / np.sqrt(len(tenth)))


utilities = st.floats(-6, 3)
counts = st.integers(0, 60_000)


@given(st.tuples(utilities, utilities), st.tuples(*[counts] * 4), st.tuples(*[counts] * 4))
def test_swapping_sides_swaps_the_probabilities_when_position_is_ignored(default_config, quality, style_a, style_b):
    config = default_config.model_copy(update={"position": 0.0})
    qualities, styles = np.array([quality]), np.array([[style_a, style_b]], dtype=float)
    forward = compute_label_probabilities(qualities, styles, config)
    backward = compute_label_probabilities(qualities[:, ::-1], styles[:, ::-1], config)
    np.testing.assert_allclose(backward, swap_probabilities(forward), atol=1e-12)
    assert forward.sum() == pytest.approx(1.0)


def test_without_noise_the_probabilities_are_davidsons(default_config):
    config = default_config.model_copy(update={"noise": 0.0, "position": 0.0, "tie": np.log(0.7), "both_bad": 0.0})
    quality, styles = np.array([[1.0, 0.2]]), np.zeros((1, 2, 4))
    a, b = np.exp(1.0), np.exp(0.2)
    tie = 0.7 * np.sqrt(a * b)
    np.testing.assert_allclose(
        compute_label_probabilities(quality, styles, config)[0], np.array([a, b, tie]) / (a + b + tie)
    )


def test_noise_is_integrated_out_as_an_average_over_many_people_would_have_it(default_config):
    config = default_config.model_copy(update={"noise": 1.0, "position": 0.0})
    tastes = norm.ppf((np.arange(4_000) + 0.5) / 4_000)
    single = default_config.model_copy(update={"noise": 0.0, "position": 0.0})
    styles = np.zeros((len(tastes), 2, 4))
    # A person's taste moves the difference and leaves the mean, which the tie depends on, as it is.
    people = compute_label_probabilities(np.stack([0.4 + tastes / 2, -1.2 - tastes / 2], axis=1), styles, single)
    expected = compute_label_probabilities(np.array([[0.4, -1.2]]), styles[:1], config)[0]
    np.testing.assert_allclose(people.mean(axis=0), expected, atol=1e-4)


def test_two_bad_responses_tie_more_often_than_two_good_ones(default_config):
    styles = np.zeros((2, 2, 4))
    good, bad = compute_label_probabilities(np.array([[0.0, 0.0], [-3.0, -3.0]]), styles, default_config)
    assert bad[2] > good[2] + 0.1


def test_the_longer_of_two_equally_good_responses_is_preferred(default_config):
    styles = np.array([[[2000, 0, 0, 0], [500, 0, 0, 0]]], dtype=float)
    a, b, _ = compute_label_probabilities(np.zeros((1, 2)), styles, default_config)[0]
    expected = default_config.style_control.length * 0.6 + default_config.position
    assert 0 < np.log(a / b) <= expected + 1e-9
    assert np.log(a / b) == pytest.approx(expected, rel=0.15)


def test_a_flawless_response_of_an_average_model_has_utility_zero(default_config):
    traits = np.zeros((1, 2, len(Traits._fields)))
    traits[:, :, Traits._fields.index("coverage")] = 1.0
    np.testing.assert_allclose(compute_quality(traits, np.zeros((1, 2)), default_config), 0.0)


def test_labels_are_drawn_in_the_given_proportions():
    probabilities = np.tile([0.2, 0.5, 0.3], (50_000, 1))
    labels = draw_labels(probabilities, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(labels) / len(labels), [0.2, 0.5, 0.3], atol=0.01)


def test_style_counts_what_markdown_shows():
    text = "## Title\n\n- **one**: 1\n- two\n\n1. three\n2. four **five**"
    assert count_style(text) == (len(text), 4, 1, 2)
