"""Reasons: contributions that add up, mirrored by a swap, in words."""

import re

import numpy as np
import pandas as pd
import pytest

from arena_preference import Judge
from arena_preference.judge.reasons import Explained, list_reasons
from arena_preference.symmetry import is_antisymmetric

LONG = "A river is a stream of water that runs down to the sea. " * 5
BATTLE = pd.DataFrame(
    {"id": ["1"], "prompt": [["What is a river?"]], "response_a": [["Water."]], "response_b": [[LONG]]}
).assign(prompt_group="1")


def test_contributions_add_up_to_the_log_odds(judge: Judge) -> None:
    explained = judge._predictor.explain(BATTLE)
    preference = judge.compare("What is a river?", "Water.", LONG)
    assert explained.contributions.sum() == pytest.approx(np.log(preference.a / preference.b))


def test_a_swap_mirrors_the_reasons(judge: Judge) -> None:
    reasons = judge.compare("What is a river?", "Water.", LONG).why
    swapped = judge.compare("What is a river?", LONG, "Water.").why
    assert reasons
    assert [reason.contribution for reason in reasons] == sorted((r.contribution for r in reasons), reverse=True)
    for one, other in zip(reasons, swapped, strict=True):
        assert (one.feature, one.contribution) == (other.feature, pytest.approx(other.contribution))
        assert {one.side, other.side} == {"a", "b"}
        assert one.text != other.text


def test_identical_responses_have_no_reasons(judge: Judge) -> None:
    assert judge.compare("What is a river?", LONG, LONG).why == []


@pytest.mark.parametrize(
    ("feature", "value", "contribution", "text", "side"),
    [
        ("characters__reldiff", 0.5, 1.0, "A is 3 times as long", "a"),
        ("characters__reldiff", -0.5, 1.0, "B is 3 times as long", "a"),
        ("bullets__reldiff", -1.0, -1.0, "only B has bullet points", "b"),
        ("bullets__reldiff", -1.0, 1.0, "A has no bullet points", "a"),
        ("expected_words__reldiff", -1.0, 1.0, "A has none of the words that such a prompt makes one expect", "a"),
        ("hedges_rate__diff", 0.1, -1.0, "B has fewer hedges for its length", "b"),
        ("code_share__diff", 0.1, -1.0, "B has less code for its length", "b"),
        ("last_sentences__reldiff", 0.2, 1.0, "A has more sentences in the last turn (1.5 times)", "a"),
        ("prompt_terms_covered__diff", -0.2, -1.0, "B has more of the terms of the prompt", "b"),
        ("lsa_003__diff", -0.3, 1.0, "A's spelling and vocabulary are more like those of preferred responses", "a"),
        ("reward__diff", 0.3, -1.0, "the reward model scores B higher", "b"),
    ],
)
def test_a_reason_says_what_differs_and_for_whom_it_speaks(
    feature: str, value: float, contribution: float, text: str, side: str
) -> None:
    (reason,) = list_reasons(Explained([feature], np.array([value]), np.array([contribution])), 5)
    assert (reason.text, reason.side, reason.contribution) == (text, side, abs(contribution))


def test_features_that_say_the_same_are_one_reason() -> None:
    names = ["characters__reldiff", "words__reldiff", "bullets__reldiff", "words__prompt"]
    explained = Explained(names, np.array([0.5, 0.4, 0.1, 9.0]), np.array([0.2, 0.3, 0.4, 9.0]))
    assert [(reason.feature, round(reason.contribution, 9)) for reason in list_reasons(explained, 5)] == [
        ("words__reldiff", 0.5),
        ("bullets__reldiff", 0.4),
    ]
    assert len(list_reasons(explained, 1)) == 1


def test_every_feature_has_words(judge: Judge) -> None:
    names = [name for name in judge._predictor.explain(BATTLE).names if is_antisymmetric(name)]
    assert {"characters__reldiff", "lsa_000__diff"} < set(names)
    for value in (0.5, -1.0):
        for name in names:
            (reason,) = list_reasons(Explained([name], np.array([value]), np.array([1.0])), 5)
            assert not re.search("_|cosine|jaccard|ratio|share|rate$|tfidf|lsa|  ", reason.text), reason.text
