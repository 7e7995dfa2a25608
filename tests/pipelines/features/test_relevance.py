"""What the features of relevance promise."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skops import io

from arena_preference.battles import ID
from arena_preference.pipelines.features import relevance
from arena_preference.pipelines.features.config import RelevanceConfig, WordTfidfConfig
from arena_preference.pipelines.features.nodes import (
    compute_left_out_relevance_features,
    compute_relevance_features,
    fit_prompt_lsa,
    fit_prompt_word_regression,
    fit_word_tfidf,
)
from arena_preference.pipelines.features.relevance import RELEVANCE_RATES, RELEVANCE_SIZES, measure_relevance
from arena_preference.symmetry import Features, swap_battles

from .conftest import make_battles

OPTIONS = RelevanceConfig(
    ngram_max=1, min_df=1, max_features=100, max_fit_texts=100, n_components=6, n_iter=3, alpha=0.1
)
WORDS = WordTfidfConfig(ngram_max=1, min_df=1, max_features=200, max_fit_texts=500)
TOPICS = {
    "tea": ["leaf", "cup", "kettle", "water", "hot", "brew"],
    "code": ["loop", "array", "bug", "type", "test", "class"],
    "birds": ["wing", "nest", "egg", "song", "beak", "flight"],
}


def write(rng: np.random.Generator, topic: str, n_sentences: int = 3) -> str:
    return " ".join(f"It is the {' '.join(rng.choice(TOPICS[topic], 3))}." for _ in range(n_sentences))


@pytest.fixture(scope="module")
def battles() -> pd.DataFrame:
    """Answers keep to the prompt's topic, but for every fifth on side b; the first 20 battles share three prompts."""
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
    prompts, words = fit_prompt_lsa(battles, OPTIONS, seed=0), fit_word_tfidf(battles, WORDS, seed=0)
    return prompts, words, fit_prompt_word_regression(battles, prompts, words, OPTIONS)


def new_battle(
    answer_a: list[str | None], answer_b: list[str | None], prompt: str = "tell me about tea"
) -> pd.DataFrame:
    return make_battles([([prompt], answer_a, answer_b)], first_id=1_000_000)


def test_an_answer_that_strays_has_stray_sentences_and_fewer_expected_words(fitted):
    rng = np.random.default_rng(1)
    strays = f"{write(rng, 'tea', 1)} {write(rng, 'code', 1)} {write(rng, 'birds', 1)}"
    prompts, words, prompt_word_regression = fitted
    new = new_battle([write(rng, "tea")], [strays])
    (a, b), *_ = measure_relevance(new, prompts, words, prompt_word_regression, leave_out=False)
    on_topic, straying = (dict(zip((*RELEVANCE_SIZES, *RELEVANCE_RATES), side, strict=True)) for side in (a, b))
    assert (on_topic["stray_sentences"], straying["stray_sentences"]) == (0, 2)
    for name in ("prompt_word_regression", "most_expected_words", "sentence_relevance", "word_relevance"):
        assert on_topic[name] > straying[name], name
    assert straying["sentence_relevance_spread"] > on_topic["sentence_relevance_spread"]


def test_a_fitted_battle_is_looked_at_as_though_its_prompt_group_had_no_part(battles, fitted):
    prompts, words, prompt_word_regression = fitted
    group = battles["prompt_group"].mode()[0]
    inside = battles["prompt_group"] == group
    assert inside.sum() > 3
    without = fit_prompt_word_regression(battles[~inside], prompts, words, OPTIONS)
    # How many answers have a word at all is not made anew.
    without["shares"] = prompt_word_regression["shares"]
    truly_left_out = measure_relevance(battles[inside], prompts, words, without, leave_out=False)
    left_out, with_part = (
        measure_relevance(battles, prompts, words, prompt_word_regression, leave_out=leave_out)[inside]
        for leave_out in (True, False)
    )
    np.testing.assert_allclose(left_out, truly_left_out, rtol=1e-3, atol=1e-4)
    assert np.abs(with_part - truly_left_out).max() > 0.01


def test_ids_of_training_battles_mean_nothing_in_new_battles(battles, fitted):
    others = battles.assign(response_a=battles["response_b"].to_numpy()[::-1])
    expected = compute_relevance_features(others.assign(id=others[ID] + 1_000_000), *fitted).drop(columns=ID)
    pd.testing.assert_frame_equal(
        compute_relevance_features(others, *fitted).drop(columns=ID), expected, check_exact=True
    )


def test_numbers_of_a_list_are_no_sentences(fitted):
    rng = np.random.default_rng(2)
    prose = write(rng, "tea")
    listed = "\n".join(f"{place}. {line}." for place, line in enumerate(prose.rstrip(".").split(". "), 1))
    prompts, words, prompt_word_regression = fitted
    (a, b), *_ = measure_relevance(
        new_battle([prose], [listed]), prompts, words, prompt_word_regression, leave_out=False
    )
    np.testing.assert_allclose(b, a, rtol=0.05)


def test_swapping_the_sides_before_the_fit_and_after_negates_every_feature_exactly(battles, fitted):
    there = compute_left_out_relevance_features(battles, *fitted).drop(columns=ID)
    swapped = swap_battles(battles)
    back = compute_left_out_relevance_features(swapped, *fit(swapped)).drop(columns=ID)
    np.testing.assert_array_equal(back, -there)
    assert (there != 0).any().all()


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(60)), chunk_rows=st.integers(1, 30))
def test_neither_the_order_of_the_battles_nor_how_many_are_held_changes_a_bit(battles, fitted, order, chunk_rows):
    expected = compute_left_out_relevance_features(battles, *fitted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relevance, "_CHUNK_ROWS", chunk_rows)
        permuted = compute_left_out_relevance_features(battles.iloc[order].reset_index(drop=True), *fitted)
    pd.testing.assert_frame_equal(permuted.sort_values(ID, ignore_index=True), expected, check_exact=True)


def test_what_is_said_of_a_new_battle_does_not_depend_on_its_company(battles, fitted):
    new = battles.assign(id=battles[ID] + 1_000_000)
    together = compute_relevance_features(new, *fitted)
    apart = pd.concat([compute_relevance_features(new[row : row + 1], *fitted) for row in range(len(new))])
    pd.testing.assert_frame_equal(apart.reset_index(drop=True), together, check_exact=True)


def test_how_many_battles_are_held_changes_next_to_nothing_in_the_fit(battles, fitted, monkeypatch):
    prompts, words, at_once = fitted
    monkeypatch.setattr(relevance, "_CHUNK_ROWS", 7)
    in_chunks = fit_prompt_word_regression(battles, prompts, words, OPTIONS)
    assert set(in_chunks) == set(at_once)
    for name, values in at_once.items():
        np.testing.assert_allclose(in_chunks[name], values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("answer", [[], [None], [""], [" \n"], ["?!"], ["unheard"]], ids=repr)
def test_an_answer_of_no_known_word_counts_nothing(fitted, answer):
    prompts, words, prompt_word_regression = fitted
    measured = measure_relevance(
        new_battle(answer, ["the kettle"]), prompts, words, prompt_word_regression, leave_out=False
    )
    assert (measured[0, 0] == 0).all()
    assert np.isfinite(measured).all()


def test_a_prompt_of_no_known_word_is_a_prompt_like_any(fitted):
    features = Features.validate(compute_relevance_features(new_battle(["the cup"], ["a loop"], "???"), *fitted))
    assert np.isfinite(features.drop(columns=ID)).all(axis=None)


def test_no_battles_give_every_column_and_no_row(battles, fitted):
    none = compute_relevance_features(battles[:0], *fitted)
    assert none.columns.tolist() == compute_relevance_features(battles, *fitted).columns.tolist()
    assert none.empty


def test_skops_carries_the_prompt_vectorizer_without_trusting_any_type(battles, fitted):
    prompts, *others = fitted
    content = io.dumps(prompts)
    assert io.get_untrusted_types(data=content) == []
    loaded = compute_relevance_features(battles, io.loads(content, trusted=[]), *others)
    pd.testing.assert_frame_equal(loaded, compute_relevance_features(battles, *fitted), check_exact=True)


def test_prompts_without_a_common_word_say_what_to_change():
    few = make_battles([(["red"], ["x"], ["y"]), (["blue"], ["x"], ["y"])])
    with pytest.raises(ValueError, match=r"2 distinct prompts.*Lower features\.relevance\.min_df"):
        fit_prompt_lsa(few, OPTIONS.model_copy(update={"min_df": 2}), seed=0)


def test_what_was_not_fitted_together_is_refused(battles, fitted):
    prompts, words, prompt_word_regression = fitted
    other = {**prompt_word_regression, "coefficients": prompt_word_regression["coefficients"][1:]}
    with pytest.raises(ValueError, match="come from different runs"):
        measure_relevance(battles, prompts, words, other, leave_out=True)
