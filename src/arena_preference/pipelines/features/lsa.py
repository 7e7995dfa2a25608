"""Latent semantic analysis of character n-grams: logarithmic TF-IDF and truncated SVD (Deerwester et al., 1990).

An n-gram is part of one word, padded with a space on both sides (scikit-learn's ``char_wb``), so the counts of a text
are the sum of those of its words. A corpus has far fewer distinct words than words: each is split into n-grams once,
and a sparse product does the rest, several times as fast as scikit-learn.
"""

from typing import Any, Final

import numpy as np
import pandas as pd
import polars as pl
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.pipeline import Pipeline

from arena_preference.battles import TEXT_COLUMNS, FloatArray

from .config import CharLsaConfig
from .contrasts import Columns, contrast_sides, name_feature, tabulate
from .texts import Texts, iter_chunks, read_turns
from .tfidf import fit_svd, weigh

# Python's str.split separates words at these four characters besides Unicode's white space.
_WORD: Final = r"[^\s\x1c-\x1f]+"


def fit_char_lsa(battles: pd.DataFrame, config: CharLsaConfig, seed: int) -> Pipeline:
    """Fit the TF-IDF of character n-grams on distinct prompts and responses, and its SVD on pairs of responses.

    The SVD is that of the differences of the responses of a battle: the directions in which they differ most. Those of
    the texts themselves are topics, which both responses share.

    Returns:
        Fitted steps ``ngrams``, ``tfidf`` and ``svd``.

    Raises:
        ValueError: If no n-gram is within ``min_df`` and ``max_df``.
    """
    n_sampled = min(len(battles), max(1, config.max_fit_texts // len(TEXT_COLUMNS)))
    texts = read_turns(battles.sample(n_sampled, random_state=seed))
    counter, counts = fit_ngram_counter(pl.Series(texts.join(), dtype=pl.String), config)
    tfidf = TfidfTransformer(sublinear_tf=True)
    weights = tfidf.fit_transform(counts)
    _, a, b = texts.rows.T
    svd = fit_svd(weights[a] - weights[b], config, seed)
    return Pipeline([("ngrams", counter), ("tfidf", tfidf), ("svd", svd)])


def compute_lsa_features(battles: pd.DataFrame, char_lsa: Pipeline, *, chunk_rows: int = 4000) -> pd.DataFrame:
    """Compare the texts of each battle by the TF-IDF and the LSA of their character n-grams.

    ``chunk_rows`` battles are processed at a time, which bounds memory and changes no value.

    Returns:
        Schema ``Features``, in the order of ``battles``: the differences of the responses' LSA components and of their
        cosines with the prompt, their own cosines and their Euclidean distance. The cosine with a text without a known
        n-gram is 0.

    Raises:
        ValueError: If a text column is missing.
    """
    chunks = [_compare_texts(texts, char_lsa) for texts in iter_chunks(battles, chunk_rows)]
    return tabulate(battles, {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]})


def _compare_texts(texts: Texts, char_lsa: Pipeline) -> Columns:
    counts = count_ngrams(char_lsa["ngrams"], pl.Series(texts.join(), dtype=pl.String))
    weights = weigh(counts, char_lsa["tfidf"].idf_)
    components = weights @ char_lsa["svd"].components_.T
    norms = np.sqrt(np.square(components).sum(axis=1, keepdims=True))
    directions = np.divide(components, norms, out=np.zeros_like(components), where=norms > 0)
    _, a, b = texts.rows.T
    features: Columns = {}
    for component, values in enumerate(components.T):
        features |= contrast_sides(f"lsa_{component:03d}", values[a], values[b], "diff")
    for space, of_texts in {"tfidf": weights, "lsa": directions}.items():
        of_prompt, of_a, of_b = (of_texts[rows] for rows in texts.rows.T)
        cosines = (_multiply(of_prompt, of_a), _multiply(of_prompt, of_b))
        features |= contrast_sides(f"{space}_prompt_cosine", *cosines, "diff")
        features[name_feature(f"{space}_cosine", "pair")] = _multiply(of_a, of_b)
    features[name_feature("lsa_distance", "pair")] = np.sqrt(np.square(components[a] - components[b]).sum(axis=1))
    return features


def _multiply(x: Any, y: Any) -> FloatArray:
    """Return the scalar products of the rows of two arrays, or of two sparse matrices."""
    product = x.multiply(y) if sparse.issparse(x) else x * y
    return np.asarray(product.sum(axis=1)).ravel()


def fit_ngram_counter(texts: pl.Series, config: CharLsaConfig) -> tuple[CountVectorizer, Any]:
    """Select the vocabulary; return scikit-learn's counter of its n-grams and the counts of the texts.

    Raises:
        ValueError: If no n-gram is within ``min_df`` and ``max_df``.
    """
    counter = CountVectorizer(analyzer="char_wb", ngram_range=config.ngram_range, dtype=np.float32)
    words_of_texts, words = _count_words(texts)
    # scikit-learn would reject an empty list with advice on stop words.
    counts = words_of_texts @ counter.fit_transform(words) if words else sparse.csr_matrix((len(texts), 0))
    document_frequencies = counts.getnnz(axis=0)
    is_frequent, is_rare = document_frequencies >= config.min_df, document_frequencies <= config.max_df * len(texts)
    selected = np.flatnonzero(is_frequent & is_rare)
    if not len(selected):
        raise ValueError(
            f"No n-gram of {len(texts)} distinct texts is within min_df and max_df: lower features.char_lsa.min_df, "
            "raise features.char_lsa.max_df, or use more battles."
        )
    totals = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel()
    selected = np.sort(selected[np.argsort(-totals[selected], kind="stable")[: config.max_features]])
    names = counter.get_feature_names_out()
    # Python's own types: skops would write a file for each of NumPy's.
    counter.vocabulary_ = {str(names[index]): column for column, index in enumerate(selected)}
    counts = counts[:, selected]
    counts.sort_indices()
    return counter, counts


def count_ngrams(counter: CountVectorizer, texts: pl.Series) -> Any:
    """Return the same sparse counts as ``counter.transform``, shape (texts, n-grams).

    They are in canonical form, so that the order of the texts changes no sum over a row.
    """
    words_of_texts, words = _count_words(texts)
    counts = words_of_texts @ counter.transform(words)
    counts.sort_indices()
    return counts


def _count_words(texts: pl.Series) -> tuple[Any, list[str]]:
    """Return the sparse counts of words, shape (texts, distinct words), and these words."""
    occurrences = (
        texts.alias("text")
        .to_frame()
        .lazy()
        .with_row_index("row")
        .select("row", pl.col("text").str.to_lowercase().str.extract_all(_WORD).alias("word"))
        .explode("word")
        .drop_nulls("word")
        .group_by("word")
        .agg("row")
        .collect(optimizations=pl.QueryOptFlags.none())
    )
    rows = occurrences["row"].explode().to_numpy()
    ends = np.concatenate([[0], occurrences["row"].list.len().cum_sum().to_numpy()])
    # A column lists a row once per occurrence of the word; the conversion adds them up.
    counts = sparse.csc_matrix((np.ones(len(rows), dtype=np.float32), rows, ends), shape=(len(texts), len(occurrences)))
    return counts.tocsr(), occurrences["word"].to_list()
