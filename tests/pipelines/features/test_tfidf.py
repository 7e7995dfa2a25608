"""TF-IDF weights of words."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from sklearn.feature_extraction.text import TfidfVectorizer
from skops import io

from arena_preference.pipelines.features.config import WordTfidfConfig
from arena_preference.pipelines.features.tfidf import count_words, fit_word_tfidf, weigh

from .conftest import laws, make_battles, tables

CONFIG = WordTfidfConfig(ngram_range=(1, 2), min_df=2, max_features=100, max_fit_texts=100)


@pytest.fixture(scope="module")
def word_tfidf(topics: pd.DataFrame) -> TfidfVectorizer:
    return fit_word_tfidf(topics, CONFIG, seed=0)


@laws
@given(rows=tables)
def test_counted_and_weighed_texts_are_those_of_scikit_learn(word_tfidf, rows):
    texts = [" ".join(turn or "" for turn in turns) for row in rows for turns in row]
    texts += ["Tea, tea: LEAF hot hot.", "nothing known", ""]
    weights = weigh(count_words(word_tfidf, texts), word_tfidf.idf_)
    np.testing.assert_allclose(weights.toarray(), word_tfidf.transform(texts).toarray(), rtol=1e-6, atol=1e-7)


def test_words_and_pairs_of_words_are_known_and_the_prompts_are_not_read(topics, word_tfidf):
    assert {"tea", "leaf hot"} <= set(word_tfidf.vocabulary_)
    others = topics.assign(prompt=[["unheard unheard"]] * len(topics))
    assert fit_word_tfidf(others, CONFIG, seed=0).vocabulary_ == word_tfidf.vocabulary_


def test_skops_stores_it_without_trusting_any_type(topics, word_tfidf):
    content = io.dumps(word_tfidf)
    assert io.get_untrusted_types(data=content) == []
    texts = topics["response_a"].map(" ".join).to_list()
    loaded = io.loads(content, trusted=[])
    pd.testing.assert_frame_equal(*(pd.DataFrame(count_words(each, texts).toarray()) for each in (loaded, word_tfidf)))
    np.testing.assert_array_equal(loaded.idf_, word_tfidf.idf_)


def test_no_vocabulary_is_rejected_with_the_parameter_to_change():
    with pytest.raises(ValueError, match=r"2 distinct texts.*features\.word_tfidf\.min_df"):
        fit_word_tfidf(make_battles([(["p"], ["?"], ["!"])]), CONFIG, seed=0)
