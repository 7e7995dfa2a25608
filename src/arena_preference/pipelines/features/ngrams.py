"""How often each n-gram of characters occurs in each text.

An n-gram lies inside a word, padded with a space on both sides (scikit-learn's ``char_wb``), so the counts of a text
are the sum of those of its words. A corpus has far fewer distinct words than words: each is cut into n-grams once, and
one sparse product does the rest.
"""

from typing import Any, Final

import numpy as np
import polars as pl
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

from .config import CharLsaConfig

# What Python's str.split parts words at: these four separators besides Unicode's white space.
_WORD: Final = r"[^\s\x1c-\x1f]+"


def fit_ngram_counter(texts: pl.Series, options: CharLsaConfig) -> tuple[CountVectorizer, Any]:
    """Learn which n-grams are neither too rare nor too frequent.

    Args:
        texts: Strings.
        options: Parameters ``features.char_lsa``.

    Returns:
        scikit-learn's counter of these n-grams, and what ``count_ngrams`` gives for the same texts.

    Raises:
        ValueError: If no n-gram is left.
    """
    counter = CountVectorizer(analyzer="char_wb", ngram_range=(options.ngram_min, options.ngram_max), dtype=np.float32)
    texts_of_words, words = _count_words(texts)
    # scikit-learn would refuse an empty list with advice on stop words.
    counts = texts_of_words @ counter.fit_transform(words) if words else sparse.csr_matrix((len(texts), 0))
    text_counts = counts.getnnz(axis=0)
    most_texts = options.max_df * len(texts)
    kept = np.flatnonzero((text_counts >= options.min_df) & (text_counts <= most_texts))
    if not len(kept):
        raise ValueError("No n-gram is both frequent and rare enough.")
    totals = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel()
    kept = np.sort(kept[np.argsort(-totals[kept], kind="stable")[: options.max_features]])
    names = counter.get_feature_names_out()
    # Of Python's own types: skops would make a file of each of NumPy's.
    counter.vocabulary_ = {str(names[place]): column for column, place in enumerate(kept)}
    counts = counts[:, kept]
    counts.sort_indices()
    return counter, counts


def count_ngrams(counter: CountVectorizer, texts: pl.Series) -> Any:
    """Count the n-grams that a counter knows.

    Args:
        counter: As ``fit_ngram_counter`` gives it.
        texts: Strings.

    Returns:
        What ``counter.transform`` gives: a sparse float32 matrix in canonical form, one row per text and one column per
        n-gram. In canonical form the order of the texts changes no sum over a row.
    """
    texts_of_words, words = _count_words(texts)
    counts = texts_of_words @ counter.transform(words)
    counts.sort_indices()
    return counts


def _count_words(texts: pl.Series) -> tuple[Any, list[str]]:
    """Give the sparse counts of words, texts by distinct words, and these words."""
    rows_of_words = (
        texts.alias("text")
        .to_frame()
        .with_row_index("row")
        .select("row", pl.col("text").str.to_lowercase().str.extract_all(_WORD).alias("word"))
        .explode("word")
        .drop_nulls("word")
        .group_by("word")
        .agg("row")
    )
    rows = rows_of_words["row"].explode().to_numpy()
    ends = np.concatenate([[0], rows_of_words["row"].list.len().cum_sum().to_numpy()])
    occurrences = (np.ones(len(rows), dtype=np.float32), rows, ends)
    # A row occurs as often under a word as the word in the text; the change of format adds them up.
    counts = sparse.csc_matrix(occurrences, shape=(len(texts), len(rows_of_words))).tocsr()
    return counts, rows_of_words["word"].to_list()
