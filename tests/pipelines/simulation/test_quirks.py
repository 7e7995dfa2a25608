import re
from collections import Counter

import numpy as np
import pytest

LONE_SURROGATE = re.compile(r"\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f])|(?<!\\ud[89ab][0-9a-f]{2})\\ud[c-f][0-9a-f]{2}")


def sides(simulation):
    return zip(simulation.prompts, *simulation.answers, strict=True)


QUIRKS = {
    "a null turn of a alone": lambda s: sum(None in a and None not in b for _, a, b in sides(s)),
    "a null turn of b alone": lambda s: sum(None in b and None not in a for _, a, b in sides(s)),
    "a null turn on both sides": lambda s: sum(None in a and None in b for _, a, b in sides(s)),
    "an empty answer": lambda s: sum("" in a or "" in b for _, a, b in sides(s)),
    "an empty prompt": lambda s: sum(prompt == [""] for prompt, _, _ in sides(s)),
    "identical answers": lambda s: sum(a == b for _, a, b in sides(s)),
    "a lone surrogate": lambda s: sum(
        any(LONE_SURROGATE.search(cell) for cell in row)
        for row in s.battles[["prompt", "response_a", "response_b"]].itertuples(index=False)
    ),
    "an exact duplicate": lambda s: sum(
        count - 1 for count in Counter((str(p), str(a), str(b)) for p, a, b in sides(s)).values()
    ),
    "a battle of 36 turns": lambda s: sum(len(prompt) == 36 for prompt, _, _ in sides(s)),
    "an answer of 50,000 characters": lambda s: int((s.lengths >= 50_000).sum()),
    "a prompt in another script": lambda s: sum(bool(re.search("[\u0400-\u9fff]", p[0])) for p, _, _ in sides(s)),
}
# Of the competition's 57,477 battles, where it is known.
REAL_COUNTS = {
    "a null turn of a alone": 92,
    "a null turn of b alone": 101,
    "a null turn on both sides": 19,
    "an empty prompt": 5,
    "an exact duplicate": 100,
}


@pytest.mark.parametrize("quirk", [quirk for quirk in QUIRKS if quirk != "a prompt in another script"])
def test_even_the_smallest_split_shows(quirk, smallest_split):
    assert QUIRKS[quirk](smallest_split) >= 1


def test_a_large_simulation_has_prompts_in_other_scripts(large_simulation):
    assert QUIRKS["a prompt in another script"](large_simulation) > 100


@pytest.mark.parametrize("quirk", REAL_COUNTS)
def test_a_quirk_is_about_as_frequent_as_in_the_competition(quirk, large_simulation):
    expected = REAL_COUNTS[quirk] * 20_000 / 57_477
    assert QUIRKS[quirk](large_simulation) == pytest.approx(expected, abs=1 + 0.1 * expected)


def test_identical_answers_are_not_always_judged_a_tie(large_simulation):
    identical = np.array([a == b for _, a, b in sides(large_simulation)])
    assert set(large_simulation.labels[identical]) > {2}


def test_an_exact_duplicate_repeats_the_verdict_under_another_id(large_simulation):
    table = large_simulation.battles
    rest = table.drop(columns="id")
    duplicates = table[rest.duplicated(keep=False)]
    assert len(duplicates) >= 60
    assert duplicates["id"].is_unique


def test_a_missing_answer_usually_loses(large_simulation):
    missing = [place for place, (_, a, b) in enumerate(sides(large_simulation)) if a == [None] and b != [None]]
    assert large_simulation.probabilities[missing, 0].mean() < 0.2
