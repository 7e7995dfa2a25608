"""What the features of consensus promise."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from arena_preference.battles import CONSENSUS, ID
from arena_preference.pipelines.features import consensus
from arena_preference.pipelines.features.config import WordTfidfConfig
from arena_preference.pipelines.features.consensus import measure_consensus
from arena_preference.pipelines.features.nodes import compute_consensus_features, fit_word_tfidf
from arena_preference.symmetry import Features, swap_battles

from .conftest import make_battles

WORDS = WordTfidfConfig(ngram_max=1, min_df=1, max_features=200, max_fit_texts=500)
VOCABULARY = ["leaf", "cup", "kettle", "water", "hot", "brew", "wing", "nest", "egg", "song"]
NUMBERS = ["7", "8", "1,200", "3.5"]


@pytest.fixture(scope="module")
def battles() -> pd.DataFrame:
    """Five prompts with 2 to 12 battles, some of two turns, then 20 of one battle each; few answers, so some twice."""
    rng = np.random.default_rng(0)
    pool = [" ".join([*rng.choice(VOCABULARY, 4), *rng.choice(NUMBERS, rng.integers(0, 2))]) for _ in range(30)]
    rows = []
    for number in range(60):
        prompt = ["  Tell ME of", "tell me of"][number % 2] + f" {min(number % 7, 4) if number < 40 else number}"
        turns = 1 + number % 3 // 2
        answers = ([str(text) for text in rng.choice(pool, turns)] for _ in range(2))
        rows.append(([prompt, "and then?"][:turns], *answers))
    return make_battles(rows)


@pytest.fixture(scope="module")
def words(battles: pd.DataFrame) -> TfidfVectorizer:
    return fit_word_tfidf(battles, WORDS, seed=0)


def measure(rows: list[tuple[list[str | None], ...]], words: TfidfVectorizer) -> tuple[np.ndarray, np.ndarray]:
    return measure_consensus(make_battles(rows), words)


def test_an_answer_is_compared_with_those_of_other_battles_by_words_and_last_number(words):
    weight = dict(zip(words.get_feature_names_out(), words.idf_ - 1, strict=True))
    rates, others = measure(
        [
            (["How much?"], ["hot water, 7"], ["hot brew of 7"]),
            (["how  much?"], ["water in the kettle: 7"], ["7 leaf 7 8"]),
            (["How many?"], ["hot hot water 7"], ["egg"]),
        ],
        words,
    )
    assert others.tolist() == [2, 2, 0]
    hot, water, kettle, brew, leaf, seven = (weight[word] for word in ("hot", "water", "kettle", "brew", "leaf", "7"))
    of_others = (water + kettle + seven) + (seven + leaf + weight["8"])
    for side, own, shared in ((0, hot + water + seven, water + 2 * seven), (1, hot + brew + seven, 2 * seven)):
        expected = [shared / of_others, shared / (2 * own), 0.5]
        np.testing.assert_allclose(rates[0, side], expected, rtol=1e-6)
    assert (rates[2] == 0).all()


def test_neither_the_opponent_nor_the_same_text_elsewhere_is_another_answer(words):
    twice = [(["Q"], ["leaf 7"], ["cup 8"]), (["Q"], ["cup 8"], ["leaf 7"]), (["Q"], ["leaf 7"], ["leaf 7"])]
    rates, others = measure(twice, words)
    assert others.tolist() == [0, 0, 1]
    assert (rates == 0).all()
    rates, others = measure([*twice, (["Q"], ["leaf 7"], ["egg"])], words)
    assert others.tolist() == [1, 1, 2, 1]
    assert rates[3, 0].tolist() == rates[3, 1].tolist() == [0, 0, 0]


def test_a_later_turn_is_compared_after_the_same_earlier_turns_alone(words):
    rows = [
        (["Q", "more"], ["leaf", "hot water"], ["cup", "egg"]),
        (["Q", "more"], ["nest", "hot water brew"], ["song", "wing"]),
        (["Q", "less"], ["brew", "hot water"], ["kettle", "song"]),
        (["R", "more"], ["brew", "hot water"], ["kettle", "wing"]),
        (["R", "less"], ["brew", "hot water"], ["kettle", "wing"]),
    ]
    rates, others = measure(rows, words)
    first, second = measure([(*(turns[:1] for turns in row),) for row in rows], words), others[:2]
    assert first[1].tolist() == [4, 4, 4, 0, 0]
    # Means over the turns to which there are others: four to the first and two to the second.
    assert second.tolist() == [3, 3]
    assert others[2:].tolist() == [4, 0, 0]
    np.testing.assert_array_equal(first[0], 0)
    assert rates[0, 0, 0] > 0
    assert (rates[2:] == 0).all()


def test_a_turn_without_an_answer_is_none_of_the_others(words):
    answered = [(["Q"], ["hot 7"], ["cup"]), (["Q"], ["hot 7 cup"], ["egg"])]
    missing: list[list[str | None]] = [[None], [" \n"], []]
    rates, others = measure([*answered, *((["Q"], *pair) for pair in permutations(missing, 2))], words)
    expected, without = measure(answered, words)
    assert others.tolist() == [*without, *[4] * 6]
    np.testing.assert_array_equal(rates[:2], expected)
    assert (rates[2:] == 0).all()


@pytest.mark.parametrize(
    "rows",
    [
        [(["Q"], ["zzz"], ["yyy"]), (["Q"], ["xxx"], ["vvv"])],
        [(["Q"], [None], [""]), (["Q"], [], [None])],
        [([], ["hot"], ["cup"]), ([], ["egg"], ["leaf"])],
    ],
    ids=["no known word", "no answer", "prompts without turns"],
)
def test_where_there_is_nothing_to_compare_nothing_agrees(words, rows):
    rates, _ = measure(rows, words)
    assert (rates == 0).all()


def test_prompts_are_told_apart_by_their_turns(words):
    rows = [(["x", "y"], ["hot", "cup"], ["egg", "egg"]), (["x\ny"], ["hot cup"], ["egg"])]
    rows += [(["x\x00{}", "y"], ["hot", "cup"], ["egg", "egg"]), (["x {}", "y"], ["hot", "cup"], ["egg", "egg"])]
    # All of them in one group, whose first turn would have to be one.
    battles = make_battles(rows).assign(prompt_group="one").set_index(pd.Index([9, 9, 2, 0]))
    rates, others = measure_consensus(battles, words)
    assert (others == 0).all()
    assert (rates == 0).all()


@pytest.mark.parametrize("answer", [[], [None], [""], ["?!"], ["unheard"]], ids=repr)
def test_an_answer_of_no_known_word_agrees_with_nobody(words, answer):
    rates, others = measure([(["Q"], answer, ["hot 7"]), (["Q"], ["hot 7 cup"], ["hot 8"])], words)
    assert others[0] == 2
    assert (rates[0, 0] == 0).all()
    assert np.isfinite(rates).all()


def test_swapping_the_sides_negates_differences_and_keeps_the_rest_exactly(battles, words):
    there = compute_consensus_features(battles, words)
    back = compute_consensus_features(swap_battles(battles), words)
    signs = np.array([-1 if name.endswith("__diff") else 1 for name in there.columns])
    np.testing.assert_array_equal(back, there * signs)
    assert (there.drop(columns=ID) != 0).any().all()


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(60)), chunk_rows=st.integers(1, 30))
def test_neither_the_order_of_the_battles_nor_how_many_are_held_changes_a_bit(battles, words, order, chunk_rows):
    expected = compute_consensus_features(battles, words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(consensus, "_CHUNK_ROWS", chunk_rows)
        permuted = compute_consensus_features(battles.iloc[order].reset_index(drop=True), words)
    pd.testing.assert_frame_equal(permuted.sort_values(ID, ignore_index=True), expected, check_exact=True)


def test_battles_of_other_prompts_change_nothing(battles, words):
    together = compute_consensus_features(battles, words)
    for rows in battles.groupby("prompt_group").indices.values():
        apart = compute_consensus_features(battles.iloc[rows].reset_index(drop=True), words)
        pd.testing.assert_frame_equal(apart, together.iloc[rows].reset_index(drop=True), check_exact=True)


def test_a_lone_battle_is_told_by_zeros_and_every_feature_by_its_name(battles, words):
    features = Features.validate(compute_consensus_features(battles, words)).drop(columns=ID)
    is_lone = ~battles["prompt_group"].duplicated(keep=False)
    assert (features[is_lone] == 0).all(axis=None)
    assert (features.loc[~is_lone, f"{CONSENSUS}answers__pair"] > 0).all()
    # By this, models tell which features to hide.
    assert all(name.startswith(CONSENSUS) for name in features)
    assert features.loc[:, ~features.columns.str.endswith("__pair")].abs().max(axis=None) <= 2


def test_no_battles_give_every_column_and_no_row(battles, words):
    none = compute_consensus_features(battles[:0], words)
    assert none.columns.tolist() == compute_consensus_features(battles, words).columns.tolist()
    assert none.empty
