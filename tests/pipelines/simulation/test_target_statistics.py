from collections import Counter

import numpy as np
import pytest

from arena_preference.pipelines.simulation.target_statistics import TARGETS, compare_with_targets


@pytest.mark.parametrize("statistic", TARGETS)
def test_a_large_simulation_meets_the_competitions_statistic(statistic, large_simulation):
    report = compare_with_targets(large_simulation.prompts, large_simulation.lengths, large_simulation.labels)[
        statistic
    ]
    assert report["value"] == pytest.approx(report["target"], abs=report["tolerance"])


def test_the_most_frequent_prompt_is_as_frequent_as_in_the_competition(large_simulation):
    largest = Counter(turns[0] for turns in large_simulation.prompts).most_common(1)[0][1]
    assert largest == pytest.approx(107 / 57_477 * 20_000, abs=3)


def test_statistics_of_hand_made_battles_are_counted_right():
    prompts = [["Hello  you"], ["hello you"], ["Other", "turn"], ["Third"]]
    lengths = np.array([[10.0, 20.0], [30.0, 5.0], [8.0, 8.0], [1.0, 2.0]])
    labels = np.array([1, 1, 0, 2])
    report = compare_with_targets(prompts, lengths, labels)
    values = {name: entry["value"] for name, entry in report.items()}
    assert values["a_fraction"] == 0.25
    assert values["b_fraction"] == 0.5
    assert values["single_turn_fraction"] == 0.75
    # Two battles have a winner and unequal lengths; the longer response won the first of them.
    assert values["longer_response_wins"] == 0.5
    assert values["repeated_prompt_fraction"] == 0.5
