"""The n-grams of texts, counted by way of their distinct words, are those that scikit-learn counts."""

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from arena_preference.pipelines.features.config import CharLsaConfig
from arena_preference.pipelines.features.ngrams import count_ngrams, fit_ngram_counter

WORDS = ("tea", "Tea", "teapot", "x", "pot,", "ΟΔΟΣ", "İ", "漢字", "e\u0301", "🙂")
GAPS = (" ", "  ", "\n\n", "\t", "\x1c", "\x1f", "\x85", "\xa0", "\u2003", "\u3000", "")
texts = st.lists(st.sampled_from(WORDS) | st.sampled_from(GAPS), max_size=12).map("".join)
corpora = st.lists(texts, min_size=1, max_size=8)
# Three texts of which any n-gram of the first two is in two.
KNOWN = ["tea teapot x", "teapot tea x", "ΟΔΟΣ 漢字 i\u0307 pot, 🙂"]


def make_options(**changes: float) -> CharLsaConfig:
    options = {"ngram_min": 2, "ngram_max": 4, "min_df": 1, "max_df": 1.0, "max_features": 1000}
    return CharLsaConfig(**{**options, "max_fit_texts": 100, "n_components": 4, "n_iter": 3, **changes})


def scikit_learn(**limits: float) -> CountVectorizer:
    return CountVectorizer(analyzer="char_wb", ngram_range=(2, 4), dtype=np.float32, **limits)


@given(corpora)
@example([""])
@example(["", "tea", ""])
@example(["unknown"])
def test_counts_are_those_of_scikit_learn(corpus: list[str]) -> None:
    counter, _ = fit_ngram_counter(pl.Series(KNOWN), make_options())
    expected = scikit_learn().fit(KNOWN).transform(corpus)
    np.testing.assert_array_equal(count_ngrams(counter, pl.Series(corpus)).toarray(), expected.toarray())


@pytest.mark.parametrize(("min_df", "max_df"), [(1, 1.0), (2, 1.0), (1, 0.5), (2, 0.7)])
def test_the_vocabulary_and_its_counts_are_those_of_scikit_learn(min_df: int, max_df: float) -> None:
    reference = scikit_learn(min_df=min_df, max_df=max_df)
    options = make_options(min_df=min_df, max_df=max_df)
    counter, counts = fit_ngram_counter(pl.Series(KNOWN), options)
    np.testing.assert_array_equal(counts.toarray(), reference.fit_transform(KNOWN).toarray())
    assert counter.vocabulary_ == reference.vocabulary_


def test_the_most_frequent_ngrams_stay_in_alphabetical_order() -> None:
    options = make_options(ngram_min=1, ngram_max=1, max_features=3)
    counter, counts = fit_ngram_counter(pl.Series(["xxx yy z", "zz"]), options)
    assert counter.vocabulary_ == {" ": 0, "x": 1, "z": 2}
    assert counts.toarray().tolist() == [[6, 3, 1], [2, 0, 2]]


@pytest.mark.parametrize("corpus", [["", " "], ["tea", "pot"]])
def test_a_corpus_without_a_usable_ngram_is_refused(corpus: list[str]) -> None:
    with pytest.raises(ValueError, match="No n-gram is both frequent and rare enough"):
        fit_ngram_counter(pl.Series(corpus), make_options(ngram_min=4, min_df=2))


def test_rows_are_in_canonical_form_so_that_the_order_of_texts_changes_no_sum() -> None:
    counter, _ = fit_ngram_counter(pl.Series(KNOWN), make_options())
    there, back = (count_ngrams(counter, pl.Series(corpus)) for corpus in (KNOWN, KNOWN[::-1]))
    assert there.has_canonical_format
    for row in range(len(KNOWN)):
        np.testing.assert_array_equal(there[row].indices, back[len(KNOWN) - 1 - row].indices)
