"""LSA of character n-grams: the counts are scikit-learn's, and the features follow topics and swaps."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import Pipeline
from skops import io

from arena_preference.battles import ID
from arena_preference.pipelines.features.config import CharLsaConfig
from arena_preference.pipelines.features.lsa import (
    compute_lsa_features,
    count_ngrams,
    fit_char_lsa,
    fit_ngram_counter,
)
from arena_preference.symmetry import Features, swap_battles, swap_features

from .conftest import SNIPPETS, laws, make_battles, tables

WORDS = ("tea", "Tea", "teapot", "x", "pot,", "ΟΔΟΣ", "İ", "漢字", "e\u0301", "🙂")
GAPS = (" ", "  ", "\n\n", "\t", "\x1c", "\x1f", "\x85", "\xa0", "\u2003", "\u3000", "")
corpora = st.lists(st.lists(st.sampled_from([*WORDS, *GAPS]), max_size=12).map("".join), min_size=1, max_size=8)
# Every n-gram of the first two texts is in at least two of the three.
KNOWN = ["tea teapot x", "teapot tea x", "ΟΔΟΣ 漢字 i\u0307 pot, 🙂"]


def make_config(**changes: Any) -> CharLsaConfig:
    limits = {"ngram_range": (4, 4), "min_df": 1, "max_df": 1.0, "max_features": 500, "max_fit_texts": 100}
    return CharLsaConfig(**{**limits, "n_components": 4, "n_iter": 3, **changes})


def scikit_learn(**limits: float) -> CountVectorizer:
    return CountVectorizer(analyzer="char_wb", ngram_range=(2, 4), dtype=np.float32, **limits)


@laws
@given(corpora)
@example([""])
@example(["", "tea", ""])
@example(["unknown"])
def test_counts_are_those_of_scikit_learn(corpus):
    counter, _ = fit_ngram_counter(pl.Series(KNOWN), make_config(ngram_range=(2, 4)))
    expected = scikit_learn().fit(KNOWN).transform(corpus)
    np.testing.assert_array_equal(count_ngrams(counter, pl.Series(corpus)).toarray(), expected.toarray())


@pytest.mark.parametrize(("min_df", "max_df"), [(1, 1.0), (2, 1.0), (1, 0.5), (2, 0.7)])
def test_the_vocabulary_and_its_counts_are_those_of_scikit_learn(min_df, max_df):
    reference = scikit_learn(min_df=min_df, max_df=max_df)
    config = make_config(ngram_range=(2, 4), min_df=min_df, max_df=max_df)
    counter, counts = fit_ngram_counter(pl.Series(KNOWN), config)
    np.testing.assert_array_equal(counts.toarray(), reference.fit_transform(KNOWN).toarray())
    assert counter.vocabulary_ == reference.vocabulary_


def test_the_most_frequent_ngrams_stay_in_alphabetical_order():
    config = make_config(ngram_range=(1, 1), max_features=3)
    counter, counts = fit_ngram_counter(pl.Series(["xxx yy z", "zz"]), config)
    assert counter.vocabulary_ == {" ": 0, "x": 1, "z": 2}
    assert counts.toarray().tolist() == [[6, 3, 1], [2, 0, 2]]


@pytest.mark.parametrize("corpus", [["", " "], ["tea", "pot"]])
def test_a_corpus_without_a_usable_ngram_is_rejected(corpus):
    with pytest.raises(ValueError, match=r"2 distinct texts.*features\.char_lsa\.min_df.*features\.char_lsa\.max_df"):
        fit_ngram_counter(pl.Series(corpus), make_config(min_df=2))


def test_rows_are_in_canonical_form_so_that_the_order_of_texts_changes_no_sum():
    counter, _ = fit_ngram_counter(pl.Series(KNOWN), make_config(ngram_range=(2, 4)))
    forward, backward = (count_ngrams(counter, pl.Series(corpus)) for corpus in (KNOWN, KNOWN[::-1]))
    assert forward.has_canonical_format
    for row in range(len(KNOWN)):
        np.testing.assert_array_equal(forward[row].indices, backward[len(KNOWN) - 1 - row].indices)


@pytest.fixture(scope="module")
def snippets_lsa() -> Pipeline:
    rows = [
        ([f"question {k} the {text}"], [f"{text} the answer {k}"], [f"{text} x"]) for k, text in enumerate(SNIPPETS)
    ]
    return fit_char_lsa(make_battles(rows), make_config(), seed=0)


@pytest.fixture(scope="module")
def topics_lsa(topics: pd.DataFrame) -> Pipeline:
    return fit_char_lsa(topics, make_config(), seed=0)


@laws
@given(rows=tables)
def test_swapping_sides_is_exact(snippets_lsa, rows):
    battles = make_battles(rows)
    expected = swap_features(compute_lsa_features(battles, snippets_lsa).drop(columns=ID))
    swapped = compute_lsa_features(swap_battles(battles), snippets_lsa).drop(columns=ID)
    np.testing.assert_array_equal(swapped, expected)


@laws
@given(rows=tables, random=st.randoms(use_true_random=False), chunk_rows=st.integers(1, 4))
def test_neither_the_order_of_the_battles_nor_the_size_of_the_chunks_changes_a_bit(
    snippets_lsa, rows, random, chunk_rows
):
    order = random.sample(range(len(rows)), len(rows))
    battles = make_battles(rows)
    permuted = compute_lsa_features(battles.iloc[order], snippets_lsa, chunk_rows=chunk_rows)
    expected = compute_lsa_features(battles, snippets_lsa).iloc[order].reset_index(drop=True)
    pd.testing.assert_frame_equal(permuted, expected, check_exact=True)


def test_skops_stores_it_without_trusting_any_type(topics, topics_lsa):
    content = io.dumps(topics_lsa)
    assert io.get_untrusted_types(data=content) == []
    loaded = compute_lsa_features(topics, io.loads(content, trusted=[]))
    pd.testing.assert_frame_equal(loaded, compute_lsa_features(topics, topics_lsa))


def test_the_same_seed_fits_the_same_lsa(topics):
    first, second, other = (fit_char_lsa(topics, make_config(max_fit_texts=20), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first["svd"].components_, second["svd"].components_)
    assert not np.array_equal(first["tfidf"].idf_, other["tfidf"].idf_)


def test_it_is_fitted_on_no_more_texts_than_allowed():
    others = (chr(ord("一") + number) for number in range(120))
    battles = make_battles([([next(others)], [next(others)], [next(others)]) for _ in range(40)])
    fitted = fit_char_lsa(battles, make_config(max_fit_texts=25), seed=0)
    # The three texts of 8 battles.
    assert len(fitted["ngrams"].vocabulary_) == 24


def test_its_components_are_directions_in_which_responses_differ_and_not_topics_that_they_share(rng):
    topics, manners = [["river sea"], ["maths sum"], ["poem verse"]], ["certainly", "perhaps"]
    battles = make_battles(
        [
            (topic, [f"{topic[0]} {manners[k % 2]}"], [f"{topic[0]} {manners[1 - k % 2]}"])
            for k in range(8)
            for topic in topics
        ]
    )
    fitted = fit_char_lsa(battles, make_config(n_components=1), seed=0)
    weights = dict(zip(fitted["ngrams"].get_feature_names_out(), abs(fitted["svd"].components_[0]), strict=True))
    shared = [weight for name, weight in weights.items() if any(name.strip() in topic[0] for topic in topics)]
    assert max(shared) < 0.1 * max(weights.values())


def test_a_small_vocabulary_has_fewer_components():
    battles = make_battles([(["x y"], ["y"], ["x"]), (["x"], ["y"], ["y x"]), (["y"], ["x x"], ["x y"])])
    fitted = fit_char_lsa(battles, make_config(n_components=50), seed=0)
    assert fitted["svd"].components_.shape == (2, 2)


def test_the_response_on_the_prompts_topic_is_nearer_to_the_prompt(topics, topics_lsa):
    features = Features.validate(compute_lsa_features(topics, topics_lsa))
    assert (features[["tfidf_prompt_cosine__diff", "lsa_prompt_cosine__diff"]] > 0.3).all(axis=None)
    assert (features["tfidf_cosine__pair"] == 0).all()


def test_identical_responses_have_cosine_one_and_no_difference(topics, topics_lsa):
    features = compute_lsa_features(topics.assign(response_b=topics["response_a"]), topics_lsa)
    np.testing.assert_allclose(features[["tfidf_cosine__pair", "lsa_cosine__pair"]], 1, atol=1e-5)
    assert (features["lsa_distance__pair"] == 0).all()
    assert (features.filter(regex="__diff$") == 0).all(axis=None)


def test_texts_of_unknown_words_have_cosine_zero(topics_lsa):
    features = compute_lsa_features(make_battles([(["zzz"], ["qqq"], [None])]), topics_lsa)
    assert (features.drop(columns=ID) == 0).all(axis=None)


def test_no_battles_yield_every_column_and_no_row(topics, topics_lsa):
    none = compute_lsa_features(topics[:0], topics_lsa)
    assert none.columns.tolist() == compute_lsa_features(topics, topics_lsa).columns.tolist()
    assert none.empty
