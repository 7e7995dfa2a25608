from collections import Counter

import numpy as np
import pytest

from arena_preference.pipelines.simulation.margins import MARGINS, compute_log_loss, measure_margins


@pytest.mark.parametrize("figure", MARGINS)
def test_a_large_simulation_meets_the_competitions_figure(figure, large_simulation):
    report = measure_margins(large_simulation.prompts, large_simulation.lengths, large_simulation.labels)[figure]
    assert report["value"] == pytest.approx(report["target"], abs=report["tolerance"])


def test_the_most_frequent_prompt_has_the_competitions_share(large_simulation):
    largest = Counter(turns[0] for turns in large_simulation.prompts).most_common(1)[0][1]
    assert largest == pytest.approx(107 / 57_477 * 20_000, abs=3)


def test_figures_of_hand_made_battles_are_counted_right():
    prompts = [["Hello  you"], ["hello you"], ["Other", "turn"], ["Third"]]
    lengths = np.array([[10.0, 20.0], [30.0, 5.0], [8.0, 8.0], [1.0, 2.0]])
    labels = np.array([1, 1, 0, 2])
    report = measure_margins(prompts, lengths, labels)
    values = {name: entry["value"] for name, entry in report.items()}
    assert values["a_share"] == 0.25
    assert values["b_share"] == 0.5
    assert values["single_turn_share"] == 0.75
    # Two battles have a winner and unequal lengths; the longer answer won the first of them.
    assert values["longer_answer_wins"] == 0.5
    assert values["repeated_prompt_share"] == 0.5


def test_log_loss_of_a_uniform_forecast_is_log_three():
    assert compute_log_loss(np.full((4, 3), 1 / 3), np.array([0, 1, 2, 2])) == pytest.approx(np.log(3))
