import re
from collections import Counter

import numpy as np
import pytest

LONE_SURROGATE = re.compile(r"\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f])|(?<!\\ud[89ab][0-9a-f]{2})\\ud[c-f][0-9a-f]{2}")

EDGE_CASES = {
    "a null turn of a alone": lambda s: sum(None in a and None not in b for _, a, b in s.turns),
    "a null turn of b alone": lambda s: sum(None in b and None not in a for _, a, b in s.turns),
    "a null turn on both sides": lambda s: sum(None in a and None in b for _, a, b in s.turns),
    "an empty response": lambda s: sum("" in a or "" in b for _, a, b in s.turns),
    "an empty prompt": lambda s: sum(prompt == [""] for prompt, _, _ in s.turns),
    "identical responses": lambda s: sum(a == b for _, a, b in s.turns),
    "a lone surrogate": lambda s: sum(
        any(LONE_SURROGATE.search(cell) for cell in row)
        for row in s.battles[["prompt", "response_a", "response_b"]].itertuples(index=False)
    ),
    "an exact duplicate": lambda s: sum(
        count - 1 for count in Counter((str(p), str(a), str(b)) for p, a, b in s.turns).values()
    ),
    "a battle of 36 turns": lambda s: sum(len(prompt) == 36 for prompt, _, _ in s.turns),
    "a response of 50,000 characters": lambda s: int((s.lengths >= 50_000).sum()),
    "a prompt in another script": lambda s: sum(bool(re.search("[\u0400-\u9fff]", p[0])) for p, _, _ in s.turns),
}
# Of the competition's 57,477 battles, where it is known.
REAL_COUNTS = {
    "a null turn of a alone": 92,
    "a null turn of b alone": 101,
    "a null turn on both sides": 19,
    "an empty prompt": 5,
    "an exact duplicate": 100,
}


@pytest.mark.parametrize("edge_case", sorted(EDGE_CASES.keys() - {"a prompt in another script"}))
def test_even_the_smallest_split_shows(edge_case, smallest_split):
    assert EDGE_CASES[edge_case](smallest_split) >= 1


def test_a_large_simulation_has_prompts_in_other_scripts(large_simulation):
    assert EDGE_CASES["a prompt in another script"](large_simulation) > 100


@pytest.mark.parametrize("edge_case", REAL_COUNTS)
def test_an_edge_case_is_about_as_frequent_as_in_the_competition(edge_case, large_simulation):
    expected = REAL_COUNTS[edge_case] * 20_000 / 57_477
    assert EDGE_CASES[edge_case](large_simulation) == pytest.approx(expected, abs=1 + 0.1 * expected)


def test_identical_responses_are_not_always_a_tie(large_simulation):
    identical = np.array([a == b for _, a, b in large_simulation.turns])
    assert set(large_simulation.labels[identical]) > {2}


def test_an_exact_duplicate_repeats_the_label_under_another_id(large_simulation):
    table = large_simulation.battles
    rest = table.drop(columns="id")
    duplicates = table[rest.duplicated(keep=False)]
    assert len(duplicates) >= 60
    assert duplicates["id"].is_unique


def test_a_missing_response_usually_loses(large_simulation):
    missing = [index for index, (_, a, b) in enumerate(large_simulation.turns) if a == [None] and b != [None]]
    assert large_simulation.probabilities[missing, 0].mean() < 0.2
