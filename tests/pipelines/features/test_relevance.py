"""Relevance features: responses against the words that their prompts make likely."""

import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skops import io

from arena_preference.battles import ID
from arena_preference.pipelines.features.config import RelevanceConfig, WordTfidfConfig
from arena_preference.pipelines.features.relevance import (
    compute_left_out_relevance_features,
    compute_relevance_features,
    fit_prompt_word_regression,
    fit_relevance_model,
)
from arena_preference.pipelines.features.tfidf import fit_word_tfidf
from arena_preference.symmetry import Features, swap_battles

from .conftest import Turns, laws, make_battles

CONFIG = RelevanceConfig(
    ngram_range=(1, 1), min_df=1, max_features=100, max_fit_texts=100, n_components=6, n_iter=3, alpha=0.1
)
WORDS = WordTfidfConfig(ngram_range=(1, 1), min_df=1, max_features=200, max_fit_texts=500)
TOPICS = {
    "tea": ["leaf", "cup", "kettle", "water", "hot", "brew"],
    "code": ["loop", "array", "bug", "type", "test", "class"],
    "birds": ["wing", "nest", "egg", "song", "beak", "flight"],
}


def write(rng: np.random.Generator, topic: str, n_sentences: int = 3) -> str:
    return " ".join(f"It is the {' '.join(rng.choice(TOPICS[topic], 3))}." for _ in range(n_sentences))


@pytest.fixture(scope="module")
def battles() -> pd.DataFrame:
    """The first 20 share three prompts. Responses are on the topic, except for a turn of every fifth on side b."""
    rng = np.random.default_rng(0)
    names = list(TOPICS)
    rows = []
    for number in range(60):
        topic = names[number % 3]
        prompt = f"tell me about {topic}" if number < 20 else f"tell me about {topic} {number}"
        stray = write(rng, names[(number + 1) % 3], 1) if number % 5 == 0 else ""
        rows.append(([prompt], [write(rng, topic)], [write(rng, topic), stray]))
    return make_battles(rows)


@pytest.fixture(scope="module")
def fitted(battles: pd.DataFrame) -> tuple[Any, Any, Any]:
    return fit(battles)


def fit(battles: pd.DataFrame) -> tuple[Any, Any, Any]:
    """Return prompt_lsa, word_tfidf and prompt_word_regression."""
    word_tfidf = fit_word_tfidf(battles, WORDS, seed=0)
    prompt_lsa, regression = fit_relevance_model(battles, word_tfidf, CONFIG, seed=0)
    return prompt_lsa, word_tfidf, regression


def new_battle(response_a: Turns, response_b: Turns, prompt: str = "tell me about tea") -> pd.DataFrame:
    return make_battles([([prompt], response_a, response_b)], first_id=1_000_000)


def test_a_response_that_strays_has_stray_sentences_and_fewer_expected_words(fitted):
    rng = np.random.default_rng(1)
    strays = f"{write(rng, 'tea', 1)} {write(rng, 'code', 1)} {write(rng, 'birds', 1)}"
    features = compute_relevance_features(new_battle([write(rng, "tea")], [strays]), *fitted).iloc[0]
    # Only the second response has any.
    assert features["stray_sentences__reldiff"] == -1
    assert features["sentence_relevance_spread__diff"] < 0
    positive = (
        "expected_words__reldiff",
        "most_expected_words__reldiff",
        "sentence_relevance__diff",
        "word_relevance__diff",
    )
    assert (features[list(positive)] > 0).all()


@pytest.mark.parametrize("size", [4, 30])
def test_a_training_battle_is_measured_as_if_its_prompt_group_had_been_left_out_of_the_fit(battles, fitted, size):
    prompt_lsa, word_tfidf, regression = fitted
    # A group of fewer battles than the fit has coefficients per word, and one of more.
    assert 4 < regression["coefficients"].shape[1] < 30
    inside = battles.index < size
    battles = battles.assign(prompt_group=battles["prompt_group"].mask(inside, "one"))
    without = fit_prompt_word_regression(battles[~inside], prompt_lsa, word_tfidf, CONFIG.alpha)
    # The document frequencies remain those of all battles.
    without["document_frequencies"] = regression["document_frequencies"]
    truly_left_out = compute_relevance_features(battles[inside], prompt_lsa, word_tfidf, without).drop(columns=ID)
    left_out, with_part = (
        compute(battles, *fitted)[inside].drop(columns=ID)
        for compute in (compute_left_out_relevance_features, compute_relevance_features)
    )
    np.testing.assert_allclose(left_out, truly_left_out, rtol=1e-3, atol=1e-4)
    assert np.abs(with_part.to_numpy() - truly_left_out.to_numpy()).max() > 0.01


def test_a_new_battle_with_the_id_of_a_training_battle_is_not_left_out(battles, fitted):
    others = battles.assign(response_a=battles["response_b"].to_numpy()[::-1])
    expected = compute_relevance_features(others.assign(id="new-" + others[ID]), *fitted).drop(columns=ID)
    pd.testing.assert_frame_equal(
        compute_relevance_features(others, *fitted).drop(columns=ID), expected, check_exact=True
    )


def test_list_numbers_are_not_sentences(fitted):
    rng = np.random.default_rng(2)
    prose = write(rng, "tea")
    listed = "\n".join(f"{number}. {line}." for number, line in enumerate(prose.rstrip(".").split(". "), 1))
    features = compute_relevance_features(new_battle([prose], [listed]), *fitted).drop(columns=ID)
    np.testing.assert_allclose(features, 0, atol=0.02)


def test_swapping_the_sides_before_the_fit_and_after_negates_every_feature_exactly(battles, fitted):
    features = compute_left_out_relevance_features(battles, *fitted).drop(columns=ID)
    swapped = swap_battles(battles)
    np.testing.assert_array_equal(
        compute_left_out_relevance_features(swapped, *fit(swapped)).drop(columns=ID), -features
    )
    assert (features != 0).any().all()


@laws
@given(order=st.permutations(range(60)), chunk_rows=st.integers(1, 30))
def test_neither_the_order_of_the_battles_nor_the_size_of_the_chunks_changes_a_bit(battles, fitted, order, chunk_rows):
    expected = compute_left_out_relevance_features(battles, *fitted)
    permuted = compute_relevance_features(
        battles.iloc[order].reset_index(drop=True), *fitted, leave_out=True, chunk_rows=chunk_rows
    )
    pd.testing.assert_frame_equal(permuted.sort_values(ID, ignore_index=True), expected, check_exact=True)


def test_a_large_prompt_group_takes_about_as_much_memory_as_many_small_ones():
    rng = np.random.default_rng(3)
    # Each response has a word of its own, so that the words grow with the battles.
    rows = [
        ([f"tell me about tea {number % 50}"], *([f"The {write(rng, 'tea', 1)} {side}{number}"] for side in "ab"))
        for number in range(400)
    ]
    battles = make_battles(rows)
    word_tfidf = fit_word_tfidf(battles, WORDS.model_copy(update={"max_features": 5000, "max_fit_texts": 5000}), seed=0)
    prompt_lsa, regression = fit_relevance_model(battles, word_tfidf, CONFIG, seed=0)

    def measure_peak(battles: pd.DataFrame) -> int:
        tracemalloc.start()
        compute_relevance_features(battles, prompt_lsa, word_tfidf, regression, leave_out=True, chunk_rows=len(battles))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    # One table of all battles and words of a group would take more than 20 times as much.
    assert measure_peak(battles.assign(prompt_group="one")) < 4 * measure_peak(battles)


def test_features_of_a_new_battle_do_not_depend_on_the_others(battles, fitted):
    new = battles.assign(id="new-" + battles[ID])
    together = compute_relevance_features(new, *fitted)
    apart = pd.concat([compute_relevance_features(new[row : row + 1], *fitted) for row in range(len(new))])
    pd.testing.assert_frame_equal(apart.reset_index(drop=True), together, check_exact=True)


def test_the_size_of_the_chunks_changes_at_most_the_last_digits_of_the_fit(battles, fitted):
    prompt_lsa, word_tfidf, at_once = fitted
    in_chunks = fit_prompt_word_regression(battles, prompt_lsa, word_tfidf, CONFIG.alpha, chunk_rows=7)
    assert set(in_chunks) == set(at_once)
    for name, values in at_once.items():
        np.testing.assert_allclose(in_chunks[name], values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("response", [[], [None], [""], [" \n"], ["?!"], ["unheard"]], ids=repr)
def test_a_response_without_a_known_word_is_zero(fitted, response):
    features = compute_relevance_features(new_battle(response, response), *fitted).drop(columns=ID)
    assert (features == 0).all(axis=None)
    against = compute_relevance_features(new_battle(response, ["the kettle"]), *fitted).drop(columns=ID)
    assert against["expected_words__reldiff"].item() == -1
    assert np.isfinite(against).all(axis=None)


def test_a_prompt_without_a_known_word_is_valid(fitted):
    features = Features.validate(compute_relevance_features(new_battle(["the cup"], ["a loop"], "???"), *fitted))
    assert np.isfinite(features.drop(columns=ID)).all(axis=None)


def test_no_battles_yield_every_column_and_no_row(battles, fitted):
    none = compute_relevance_features(battles[:0], *fitted)
    assert none.columns.tolist() == compute_relevance_features(battles, *fitted).columns.tolist()
    assert none.empty


def test_skops_stores_prompt_lsa_without_trusting_any_type(battles, fitted):
    prompt_lsa, *others = fitted
    content = io.dumps(prompt_lsa)
    assert io.get_untrusted_types(data=content) == []
    loaded = compute_relevance_features(battles, io.loads(content, trusted=[]), *others)
    pd.testing.assert_frame_equal(loaded, compute_relevance_features(battles, *fitted), check_exact=True)


def test_prompts_without_a_common_word_are_rejected_with_the_parameter_to_change(fitted):
    few = make_battles([(["red"], ["x"], ["y"]), (["blue"], ["x"], ["y"])])
    _, word_tfidf, _ = fitted
    with pytest.raises(ValueError, match=r"2 distinct texts.*features\.relevance\.min_df"):
        fit_relevance_model(few, word_tfidf, CONFIG.model_copy(update={"min_df": 2}), seed=0)


def test_objects_that_were_not_fitted_together_are_rejected(battles, fitted):
    prompt_lsa, word_tfidf, regression = fitted
    other = {**regression, "coefficients": regression["coefficients"][1:]}
    with pytest.raises(ValueError, match=r"prompt_word_regression.*word_tfidf.*prompt_lsa.*features"):
        compute_relevance_features(battles, prompt_lsa, word_tfidf, other)
