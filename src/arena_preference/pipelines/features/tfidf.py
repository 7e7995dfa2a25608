"""TF-IDF of words."""

from typing import Final

import numpy as np
import pandas as pd
import polars as pl
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from arena_preference.battles import ID

from .config import WordTfidfConfig
from .texts import SIDES, join_turns, read_turns, sample_texts

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


def compute_tfidf_differences(
    battles: pd.DataFrame, word_tfidf: TfidfVectorizer, *, chunk_rows: int = 4000
) -> pd.DataFrame:
    """Subtract the TF-IDF weights of response b from those of response a.

    A linear model can tell the sides apart by the differences, and swapping the sides negates them exactly.
    ``chunk_rows`` battles are processed at a time, which bounds memory and changes no value.

    Returns:
        Schema ``TfidfDifferences``, in the order of ``battles``: the non-zero differences and their indices in the
        vocabulary.
    """
    # scikit-learn rejects an empty list of texts.
    chunks = [sparse.csr_matrix((0, len(word_tfidf.vocabulary_)), dtype=np.float32)]
    for turns in read_turns(battles).iter_slices(chunk_rows):
        texts = join_turns(turns)
        a, b = (word_tfidf.transform(texts[side].to_list()) for side in SIDES)
        chunks.append(a - b)
    differences = sparse.vstack(chunks, format="csr")
    differences.sort_indices()
    ends = differences.indptr[1:-1]
    return pd.DataFrame(
        {
            ID: battles[ID].to_numpy(),
            "vocabulary": np.full(len(battles), differences.shape[1], dtype=np.int32),
            "words": pd.Series(np.split(differences.indices.astype(np.int32), ends)[: len(battles)], dtype=object),
            "weights": pd.Series(np.split(differences.data, ends)[: len(battles)], dtype=object),
        }
    )
