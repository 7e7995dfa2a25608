"""Consensus features: agreement with the other responses to the same prompt."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from arena_preference.battles import CONSENSUS, ID
from arena_preference.pipelines.features.config import WordTfidfConfig
from arena_preference.pipelines.features.consensus import compute_consensus_features
from arena_preference.pipelines.features.tfidf import fit_word_tfidf
from arena_preference.symmetry import Features, swap_battles, swap_features

from .conftest import Turns, laws, make_battles

CONFIG = WordTfidfConfig(ngram_range=(1, 1), min_df=1, max_features=200, max_fit_texts=500)
VOCABULARY = ["leaf", "cup", "kettle", "water", "hot", "brew", "wing", "nest", "egg", "song"]
NUMBERS = ["7", "8", "1,200", "3.5"]
RATIOS = [f"{CONSENSUS}{name}" for name in ("coverage", "support", "number")]


@pytest.fixture(scope="module")
def battles() -> pd.DataFrame:
    """Five prompts with 2 to 12 battles, some of two turns, then 20 with one battle each; some responses are equal."""
    rng = np.random.default_rng(0)
    pool = [" ".join([*rng.choice(VOCABULARY, 4), *rng.choice(NUMBERS, rng.integers(0, 2))]) for _ in range(30)]
    rows = []
    for number in range(60):
        prompt = ["  Tell ME of", "tell me of"][number % 2] + f" {min(number % 7, 4) if number < 40 else number}"
        n_turns = 1 + number % 3 // 2
        responses = ([str(text) for text in rng.choice(pool, n_turns)] for _ in range(2))
        rows.append(([prompt, "and then?"][:n_turns], *responses))
    return make_battles(rows)


@pytest.fixture(scope="module")
def word_tfidf(battles: pd.DataFrame) -> TfidfVectorizer:
    return fit_word_tfidf(battles, CONFIG, seed=0)


def measure(battles: pd.DataFrame, word_tfidf: TfidfVectorizer) -> tuple[np.ndarray, list[float]]:
    """Return the ratios of both sides, shape (n, 2, 3), and the numbers of other responses."""
    features = compute_consensus_features(battles, word_tfidf)
    difference, total = (features[[f"{name}__{form}" for name in RATIOS]].to_numpy() for form in ("diff", "sum"))
    return np.stack([total + difference, total - difference], axis=1) / 2, features[
        f"{CONSENSUS}responses__pair"
    ].tolist()


def measure_rows(rows: list[tuple[Turns, Turns, Turns]], word_tfidf: TfidfVectorizer) -> tuple[np.ndarray, list[float]]:
    return measure(make_battles(rows), word_tfidf)


def test_a_response_is_compared_with_those_of_other_battles_by_words_and_last_number(word_tfidf):
    weight = dict(zip(word_tfidf.get_feature_names_out(), word_tfidf.idf_ - 1, strict=True))
    ratios, others = measure_rows(
        [
            (["How much?"], ["hot water, 7"], ["hot brew of 7"]),
            (["how  much?"], ["water in the kettle: 7"], ["7 leaf 7 8"]),
            (["How many?"], ["hot hot water 7"], ["egg"]),
        ],
        word_tfidf,
    )
    assert others == [2, 2, 0]
    hot, water, kettle, brew, leaf, seven = (weight[word] for word in ("hot", "water", "kettle", "brew", "leaf", "7"))
    of_others = (water + kettle + seven) + (seven + leaf + weight["8"])
    for side, own, shared in ((0, hot + water + seven, water + 2 * seven), (1, hot + brew + seven, 2 * seven)):
        expected = [shared / of_others, shared / (2 * own), 0.5]
        np.testing.assert_allclose(ratios[0, side], expected, rtol=1e-6)
    assert (ratios[2] == 0).all()


def test_the_opponent_and_duplicates_are_not_other_responses(word_tfidf):
    twice = [(["Q"], ["leaf 7"], ["cup 8"]), (["Q"], ["cup 8"], ["leaf 7"]), (["Q"], ["leaf 7"], ["leaf 7"])]
    ratios, others = measure_rows(twice, word_tfidf)
    assert others == [0, 0, 1]
    assert (ratios == 0).all()
    ratios, others = measure_rows([*twice, (["Q"], ["leaf 7"], ["egg"])], word_tfidf)
    assert others == [1, 1, 2, 1]
    assert ratios[3, 0].tolist() == ratios[3, 1].tolist() == [0, 0, 0]


def test_identical_responses_of_a_battle_are_compared_with_the_others_once(word_tfidf):
    weight = dict(zip(word_tfidf.get_feature_names_out(), word_tfidf.idf_ - 1, strict=True))
    rows = [(["Q"], ["leaf 7"], ["leaf 7"]), (["Q"], ["leaf cup 7"], ["egg 8"])]
    ratios, others = measure_rows(rows, word_tfidf)
    assert others == [2, 1]
    shared = weight["leaf"] + weight["7"]
    expected = [shared / (shared + weight["cup"] + weight["egg"] + weight["8"]), 1 / 2, 1 / 2]
    np.testing.assert_allclose(ratios[0], [expected, expected], rtol=1e-6)


def test_a_later_turn_is_compared_after_the_same_earlier_turns_alone(word_tfidf):
    rows = [
        (["Q", "more"], ["leaf", "hot water"], ["cup", "egg"]),
        (["Q", "more"], ["nest", "hot water brew"], ["song", "wing"]),
        (["Q", "less"], ["brew", "hot water"], ["kettle", "song"]),
        (["R", "more"], ["brew", "hot water"], ["kettle", "wing"]),
        (["R", "less"], ["brew", "hot water"], ["kettle", "wing"]),
    ]
    ratios_of_first_turns, others_of_first_turns = measure_rows([(*(t[:1] for t in row),) for row in rows], word_tfidf)
    ratios, others = measure_rows(rows, word_tfidf)
    assert others_of_first_turns == [4, 4, 4, 0, 0]
    # Means over the turns that have others: four for the first turn and two for the second.
    assert others == [3, 3, 4, 0, 0]
    assert (ratios_of_first_turns == 0).all()
    assert ratios[0, 0, 0] > 0
    assert (ratios[2:] == 0).all()


def test_an_empty_turn_is_not_another_response(word_tfidf):
    answered = [(["Q"], ["hot 7"], ["cup"]), (["Q"], ["hot 7 cup"], ["egg"])]
    missing: list[list[str | None]] = [[None], [" \n"], []]
    ratios, others = measure_rows([*answered, *((["Q"], *pair) for pair in permutations(missing, 2))], word_tfidf)
    expected, without = measure_rows(answered, word_tfidf)
    assert others == [*without, *[4] * 6]
    np.testing.assert_array_equal(ratios[:2], expected)
    assert (ratios[2:] == 0).all()


@pytest.mark.parametrize(
    "rows",
    [
        [(["Q"], ["zzz"], ["yyy"]), (["Q"], ["xxx"], ["vvv"])],
        [(["Q"], [None], [""]), (["Q"], [], [None])],
        [([], ["hot"], ["cup"]), ([], ["egg"], ["leaf"])],
    ],
    ids=["no known word", "no response", "prompts without turns"],
)
def test_without_anything_to_compare_all_ratios_are_zero(word_tfidf, rows):
    ratios, _ = measure_rows(rows, word_tfidf)
    assert (ratios == 0).all()


def test_prompts_are_told_apart_by_their_turns(word_tfidf):
    rows = [(["x", "y"], ["hot", "cup"], ["egg", "egg"]), (["x\ny"], ["hot cup"], ["egg"])]
    rows += [(["x\x00{}", "y"], ["hot", "cup"], ["egg", "egg"]), (["x {}", "y"], ["hot", "cup"], ["egg", "egg"])]
    # All in one prompt group, as if their first turns were equal.
    battles = make_battles(rows).assign(prompt_group="one").set_index(pd.Index([9, 9, 2, 0]))
    ratios, others = measure(battles, word_tfidf)
    assert others == [0, 0, 0, 0]
    assert (ratios == 0).all()


@pytest.mark.parametrize("response", [[], [None], [""], ["?!"], ["unheard"]], ids=repr)
def test_a_response_without_a_known_word_agrees_with_no_other(word_tfidf, response):
    ratios, others = measure_rows([(["Q"], response, ["hot 7"]), (["Q"], ["hot 7 cup"], ["hot 8"])], word_tfidf)
    assert others[0] == 2
    assert (ratios[0, 0] == 0).all()
    assert np.isfinite(ratios).all()


def test_swapping_the_sides_negates_differences_and_keeps_the_rest_exactly(battles, word_tfidf):
    features = compute_consensus_features(battles, word_tfidf).drop(columns=ID)
    swapped = compute_consensus_features(swap_battles(battles), word_tfidf).drop(columns=ID)
    np.testing.assert_array_equal(swapped, swap_features(features))
    assert (features != 0).any().all()


@laws
@given(order=st.permutations(range(60)), chunk_rows=st.integers(1, 30))
def test_neither_the_order_of_the_battles_nor_the_size_of_the_chunks_changes_a_bit(
    battles, word_tfidf, order, chunk_rows
):
    expected = compute_consensus_features(battles, word_tfidf)
    permuted = compute_consensus_features(battles.iloc[order].reset_index(drop=True), word_tfidf, chunk_rows=chunk_rows)
    pd.testing.assert_frame_equal(permuted.sort_values(ID, ignore_index=True), expected, check_exact=True)


def test_battles_of_other_prompts_change_nothing(battles, word_tfidf):
    together = compute_consensus_features(battles, word_tfidf)
    for rows in battles.groupby("prompt_group").indices.values():
        apart = compute_consensus_features(battles.iloc[rows].reset_index(drop=True), word_tfidf)
        pd.testing.assert_frame_equal(apart, together.iloc[rows].reset_index(drop=True), check_exact=True)


def test_features_of_a_prompt_that_occurs_once_are_zero_and_every_name_has_the_prefix(battles, word_tfidf):
    features = Features.validate(compute_consensus_features(battles, word_tfidf)).drop(columns=ID)
    occurs_once = ~battles["prompt_group"].duplicated(keep=False)
    assert (features[occurs_once] == 0).all(axis=None)
    assert (features.loc[~occurs_once, f"{CONSENSUS}responses__pair"] > 0).all()
    # Consensus dropout selects the features by it.
    assert all(name.startswith(CONSENSUS) for name in features)
    assert features.loc[:, ~features.columns.str.endswith("__pair")].abs().max(axis=None) <= 2


def test_no_battles_yield_every_column_and_no_row(battles, word_tfidf):
    none = compute_consensus_features(battles[:0], word_tfidf)
    assert none.columns.tolist() == compute_consensus_features(battles, word_tfidf).columns.tolist()
    assert none.empty
