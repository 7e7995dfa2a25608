"""TF-IDF of words."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
import pandas as pd
import polars as pl
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils.sparsefuncs_fast import inplace_csr_row_normalize_l2

from arena_preference.battles import FloatArray

from .config import LsaConfig, WordTfidfConfig
from .texts import SIDES, sample_texts

# Unlike scikit-learn's default, a word may be a single letter or digit.
_WORD: Final = r"(?u)\b\w+\b"


def fit_word_tfidf(battles: pd.DataFrame, config: WordTfidfConfig, seed: int) -> TfidfVectorizer:
    """Fit the TF-IDF of the words of the distinct responses.

    Raises:
        ValueError: If no word occurs in ``min_df`` texts.
    """
    return fit_tfidf(sample_texts(battles, SIDES, config.max_fit_texts, seed), config, "features.word_tfidf")


def fit_tfidf(texts: pl.Series, config: WordTfidfConfig, parameters: str) -> TfidfVectorizer:
    """Fit the TF-IDF, with logarithmic counts, of words and n-grams of words.

    Raises:
        ValueError: If no word occurs in ``min_df`` texts; it names the ``parameters`` to change.
    """
    tfidf = TfidfVectorizer(
        ngram_range=config.ngram_range,
        min_df=config.min_df,
        max_features=config.max_features,
        token_pattern=_WORD,
        sublinear_tf=True,
        dtype=np.float32,
    )
    try:
        tfidf.fit(texts)
    except ValueError as error:
        raise ValueError(
            f"{len(texts)} distinct texts yield no vocabulary of words: {error} Lower {parameters}.min_df, or use more "
            "battles."
        ) from error
    # Python's own types: skops would write a file for each of NumPy's.
    tfidf.vocabulary_ = {name: int(column) for name, column in tfidf.vocabulary_.items()}
    return tfidf


def fit_svd(weights: Any, config: LsaConfig, seed: int) -> TruncatedSVD:
    """Fit the truncated SVD of TF-IDF weights, shape (texts, words)."""
    n_components = min(config.n_components, weights.shape[1])
    # Where all responses are the same, there is no variance to explain.
    with np.errstate(invalid="ignore"):
        svd = TruncatedSVD(n_components, n_iter=config.n_iter, random_state=seed).fit(weights)
    # A product with the transposed components would otherwise copy all of them, even for one text.
    svd.components_ = np.asfortranarray(svd.components_)
    return svd


def count_words(tfidf: TfidfVectorizer, texts: Sequence[str]) -> Any:
    """Return the sparse counts of the words and n-grams that ``fit_tfidf`` has selected, shape (texts, words)."""
    tokenize, find = tfidf.build_tokenizer(), tfidf.vocabulary_.get
    first, last = tfidf.ngram_range
    counts = []
    for text in texts:
        tokens = tokenize(text.lower())
        ngrams = (zip(*(tokens[start:] for start in range(size)), strict=False) for size in range(first, last + 1))
        of_text = Counter(map(find, map(" ".join, chain.from_iterable(ngrams))))
        del of_text[None]
        counts.append(of_text)
    ends = np.cumsum([0, *map(len, counts)])
    columns = np.fromiter(chain.from_iterable(counts), dtype=np.int32, count=ends[-1])
    values = np.fromiter(chain.from_iterable(of_text.values() for of_text in counts), dtype=np.float32, count=ends[-1])
    matrix = sparse.csr_matrix((values, columns, ends), shape=(len(texts), len(tfidf.vocabulary_)))
    matrix.sort_indices()
    return matrix


def weigh(counts: Any, idf: FloatArray) -> Any:
    """Turn sparse counts, in place, into what scikit-learn's ``TfidfTransformer`` with logarithmic counts returns.

    For a few texts, its validation would take longer than the work.
    """
    np.log(counts.data, out=counts.data)
    counts.data += 1
    counts.data *= idf[counts.indices]
    inplace_csr_row_normalize_l2(counts)
    return counts
