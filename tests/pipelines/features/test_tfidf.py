"""Differences of the TF-IDF weights of both responses."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from sklearn.feature_extraction.text import TfidfVectorizer
from skops import io

from arena_preference.battles import ID, TfidfDifferences
from arena_preference.pipelines.features.config import WordTfidfConfig
from arena_preference.pipelines.features.tfidf import compute_tfidf_differences, fit_word_tfidf
from arena_preference.symmetry import swap_battles

from .conftest import laws, make_battles, tables

CONFIG = WordTfidfConfig(ngram_range=(1, 2), min_df=2, max_features=100, max_fit_texts=100)


@pytest.fixture(scope="module")
def word_tfidf(topics: pd.DataFrame) -> TfidfVectorizer:
    return fit_word_tfidf(topics, CONFIG, seed=0)


def to_array(differences: pd.DataFrame) -> np.ndarray:
    TfidfDifferences.validate(differences)
    array = np.zeros((len(differences), differences["vocabulary"].iloc[0]), dtype=np.float32)
    for row, (words, weights) in enumerate(zip(differences["words"], differences["weights"], strict=True)):
        array[row, words] = weights
    return array


def test_differences_are_the_weights_of_a_minus_those_of_b(topics, word_tfidf):
    differences = compute_tfidf_differences(topics, word_tfidf)
    a, b = (word_tfidf.transform(topics[side].map(" ".join)).toarray() for side in ("response_a", "response_b"))
    np.testing.assert_array_equal(to_array(differences), a - b)
    np.testing.assert_array_equal(differences[ID], topics[ID])
    assert {"tea", "leaf hot"} <= set(word_tfidf.vocabulary_)


@laws
@given(rows=tables)
def test_swapping_sides_negates_the_differences_exactly(rows):
    battles = make_battles([*rows, (["p"], ["word here"], ["word there"]), (["p"], ["word"], ["word"])])
    word_tfidf = fit_word_tfidf(battles, CONFIG, seed=0)
    original, swapped = (compute_tfidf_differences(table, word_tfidf) for table in (battles, swap_battles(battles)))
    np.testing.assert_array_equal(to_array(swapped), -to_array(original))


def test_the_size_of_the_chunks_changes_nothing(topics, word_tfidf):
    expected = compute_tfidf_differences(topics, word_tfidf)
    in_chunks = compute_tfidf_differences(topics, word_tfidf, chunk_rows=7)
    pd.testing.assert_frame_equal(in_chunks, expected, check_exact=True)


def test_no_battles_yield_no_row(topics, word_tfidf):
    assert TfidfDifferences.validate(compute_tfidf_differences(topics[:0], word_tfidf)).empty


def test_skops_stores_it_without_trusting_any_type(topics, word_tfidf):
    content = io.dumps(word_tfidf)
    assert io.get_untrusted_types(data=content) == []
    loaded = compute_tfidf_differences(topics, io.loads(content, trusted=[]))
    pd.testing.assert_frame_equal(loaded, compute_tfidf_differences(topics, word_tfidf), check_exact=True)


def test_no_vocabulary_is_rejected_with_the_parameter_to_change():
    with pytest.raises(ValueError, match=r"2 distinct texts.*features\.word_tfidf\.min_df"):
        fit_word_tfidf(make_battles([(["p"], ["?"], ["!"])]), CONFIG, seed=0)
