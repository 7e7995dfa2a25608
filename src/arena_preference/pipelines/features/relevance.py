"""Relevance: how well the words of a response fit its prompt.

Ridge regression from the LSA of prompts predicts which words responses use; it needs no label. The relevance of a word
is the log ratio of its probability under the prompt to its baseline over all prompts: sentences off the topic consist
of words of low relevance, and an incomplete response lacks relevant words.

Training battles are compared with the fit without their own prompt group, which ridge regression yields in closed form.
Otherwise any response to an unusual prompt would be exactly what the fit predicts there.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from pandas.util import hash_array
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer

from arena_preference.battles import ID, FloatArray

from .config import RelevanceConfig
from .contrasts import Columns, contrast_sides, tabulate
from .texts import SIDES, IntArray, iter_group_chunks, join_turns, read_turns, sample_texts, split_sentences
from .tfidf import fit_tfidf

Arrays = dict[str, npt.NDArray[Any]]

# Smaller probabilities are hardly distinguishable from each other.
_SMALL_PROBABILITY: Final = 1e-3
_MAX_PROBABILITY: Final = 0.99
# A word is expected if its prompt makes it e times as likely as the baseline, and not unlikely.
_EXPECTED_RELEVANCE: Final = 1.0
_EXPECTED_PROBABILITY: Final = 0.02
_STRAY_RELEVANCE: Final = -0.2

#: Sums over a response: of its expected words, probability times idf, and squared probability; and the number of its
#: sentences of low relevance.
RELEVANCE_COUNTS: Final = ("expected_words", "most_expected_words", "stray_sentences")
#: Mean relevance of its sentences, weighted by their characters, the standard deviation over its sentences, and the
#: mean relevance of its distinct words. Words are weighted by idf; a sentence without a known word has relevance 0.
RELEVANCE_RATIOS: Final = ("sentence_relevance", "sentence_relevance_spread", "word_relevance")


class _Responses(NamedTuple):
    """The sentences of one side's responses.

    Attributes:
        words: Which word occurs in which sentence: sparse ones, shape (sentences, words).
        characters: Of each sentence, shape (sentences,).
        starts: First sentence of each response, shape (responses + 1,); the last is the number of sentences.
    """

    words: Any
    characters: IntArray
    starts: IntArray


def fit_relevance_model(
    battles: pd.DataFrame, word_tfidf: TfidfVectorizer, config: RelevanceConfig, seed: int
) -> tuple[Pipeline, Arrays]:
    """Fit the LSA of prompts and the ridge regression from it to the words of responses.

    Returns:
        prompt_lsa: Fitted steps ``tfidf``, ``svd`` with d components, and ``length``, which scales to unit length.
        prompt_word_regression: With v words in ``word_tfidf``, ``coefficients``, shape (v, d + 1), the last column for
            the constant; ``inverse_gram``, shape (d + 1, d + 1), of the penalised Gram matrix;
            ``document_frequencies``, shape (v,), the fraction of responses that have each word; ``id_hashes`` of the
            battles.

    Raises:
        ValueError: If no word occurs in ``min_df`` prompts.
    """
    prompts = sample_texts(battles, ["prompt"], config.max_fit_texts, seed)
    tfidf = fit_tfidf(prompts, config, "features.relevance")
    weights = tfidf.transform(prompts)
    n_components = min(config.n_components, weights.shape[1])
    svd = TruncatedSVD(n_components, n_iter=config.n_iter, random_state=seed).fit(weights)
    prompt_lsa = Pipeline([("tfidf", tfidf), ("svd", svd), ("length", Normalizer())])
    return prompt_lsa, fit_prompt_word_regression(battles, prompt_lsa, word_tfidf, config.alpha)


def fit_prompt_word_regression(
    battles: pd.DataFrame, prompt_lsa: Pipeline, word_tfidf: TfidfVectorizer, alpha: float, *, chunk_rows: int = 1000
) -> Arrays:
    """Fit the regression of ``fit_relevance_model``; ``chunk_rows`` can change its last digits."""
    gram: FloatArray = np.zeros(())
    products: FloatArray = np.zeros(())
    for start in range(0, len(battles), chunk_rows):
        turns = read_turns(battles.iloc[start : start + chunk_rows])
        prompts = _transform_prompts(turns, prompt_lsa)
        gram = gram + prompts.T @ prompts
        sides = [_read_responses(turns[side], word_tfidf) for side in SIDES]
        products = products + _average_sides(sides).T @ prompts
    inverse_gram = np.linalg.inv(gram + alpha * np.eye(len(gram)))
    return {
        "coefficients": (products @ inverse_gram).astype(np.float32),
        "inverse_gram": inverse_gram,
        # The last component of every prompt is 1.
        "document_frequencies": products[:, -1] / len(battles),
        "id_hashes": _hash_ids(battles[ID]),
    }


def compute_relevance_features(
    battles: pd.DataFrame,
    prompt_lsa: Pipeline,
    word_tfidf: TfidfVectorizer,
    prompt_word_regression: Arrays,
    *,
    leave_out: bool = False,
    chunk_rows: int = 1000,
) -> pd.DataFrame:
    """Compare the relevance of both responses of each battle.

    ``leave_out`` leaves each battle's prompt group out of the fit. It is only for the battles of the fit, in whole
    prompt groups: the id of another battle may be the same. About ``chunk_rows`` battles are processed at a time, which
    bounds memory and changes no value.

    Returns:
        Schema ``Features``, in the order of ``battles``: ``RELEVANCE_COUNTS`` as normalised differences and
        ``RELEVANCE_RATIOS`` as differences. They are 0 for a response without a known word.

    Raises:
        ValueError: If the sizes of the three fitted objects differ.
    """
    shape = (len(word_tfidf.vocabulary_), len(prompt_lsa["svd"].components_) + 1)
    if prompt_word_regression["coefficients"].shape != shape:
        raise ValueError(
            f"prompt_word_regression has coefficients of shape {prompt_word_regression['coefficients'].shape}, but "
            f"word_tfidf and prompt_lsa require {shape}: they come from different runs. Run the pipeline features on "
            "train again."
        )
    measured = np.zeros((len(battles), 2, len(RELEVANCE_COUNTS) + len(RELEVANCE_RATIOS)))
    # 0 for a word of every text.
    idf = word_tfidf.idf_.astype(np.float64) - 1
    ids = battles[ID].to_numpy(object)
    is_fitted = np.isin(_hash_ids(battles[ID]), prompt_word_regression["id_hashes"] if leave_out else [])
    # A battle that was not fitted is a group of its own.
    names = battles["prompt_group"].where(is_fitted, battles[ID])
    ordered = (rows[np.argsort(ids[rows])] for rows in battles.groupby(names.to_numpy(), sort=False).indices.values())
    for groups in iter_group_chunks(ordered, chunk_rows):
        turns = read_turns(battles.iloc[np.concatenate(groups)])
        sides = [_read_responses(turns[side], word_tfidf) for side in SIDES]
        observed = _average_sides(sides)
        prompts = _transform_prompts(turns, prompt_lsa)
        start = 0
        for rows in groups:
            group = slice(start, start + len(rows))
            words, coefficients = _select_coefficients(
                prompts[group], observed[group], prompt_word_regression, bool(is_fitted[rows[0]])
            )
            # One battle at a time: a table of battles and words would grow with the square of a group.
            for index, row in enumerate(rows, start):
                own = observed.indices[slice(*observed.indptr[index : index + 2])]
                probabilities = prompts[index] @ coefficients[np.searchsorted(words, own)].T
                probabilities = probabilities.clip(0.0, _MAX_PROBABILITY)
                baseline = np.log(prompt_word_regression["document_frequencies"][own] + _SMALL_PROBABILITY)
                relevance = np.log(probabilities + _SMALL_PROBABILITY) - baseline
                for side, responses in enumerate(sides):
                    measured[row, side] = _measure_response(responses, index, own, probabilities, relevance, idf[own])
            start += len(rows)
    features: Columns = {}
    for name, (a, b) in zip((*RELEVANCE_COUNTS, *RELEVANCE_RATIOS), measured.T, strict=True):
        features |= contrast_sides(name, a, b, "reldiff" if name in RELEVANCE_COUNTS else "diff")
    return tabulate(battles, features)


def compute_left_out_relevance_features(
    battles: pd.DataFrame, prompt_lsa: Pipeline, word_tfidf: TfidfVectorizer, prompt_word_regression: Arrays
) -> pd.DataFrame:
    """Run ``compute_relevance_features`` on the battles of the fit, with ``leave_out``."""
    return compute_relevance_features(battles, prompt_lsa, word_tfidf, prompt_word_regression, leave_out=True)


def _transform_prompts(turns: pl.DataFrame, prompt_lsa: Pipeline) -> FloatArray:
    """Return the LSA of the prompts and a constant of 1, shape (n, d + 1)."""
    prompts = join_turns(turns)["prompt"].to_list()
    return np.column_stack([prompt_lsa.transform(prompts), np.ones(len(prompts))])


def _read_responses(responses: pl.Series, word_tfidf: TfidfVectorizer) -> _Responses:
    """Split responses, which are lists of turns, into sentences and look up their words."""
    rows = pl.int_range(len(responses), dtype=pl.UInt32, eager=True)
    sentences = split_sentences(pl.DataFrame({"response": rows, "text": responses}).explode("text"), "text")
    # scikit-learn rejects an empty list of texts.
    words = word_tfidf.transform(sentences["text"].to_list() or [""])[: len(sentences)]
    words.data[:] = 1
    counts = np.bincount(sentences["response"].to_numpy(), minlength=len(responses))
    return _Responses(words, sentences["text"].str.len_chars().to_numpy(), np.concatenate([[0], counts.cumsum()]))


def _average_sides(sides: list[_Responses]) -> Any:
    """Return the fraction of a battle's two responses that have each word: sparse and sorted, shape (n, words)."""
    total: Any = 0
    for responses in sides:
        n_sentences = len(responses.characters)
        sentences_of_responses = sparse.csr_matrix(
            (np.ones(n_sentences), np.arange(n_sentences), responses.starts),
            shape=(len(responses.starts) - 1, n_sentences),
        )
        words = sentences_of_responses @ responses.words
        words.data[:] = 1 / 2
        total = total + words
    total.sort_indices()
    return total


def _select_coefficients(
    prompts: FloatArray, observed: Any, prompt_word_regression: Arrays, is_fitted: bool
) -> tuple[IntArray, FloatArray]:
    """Return the words that occur in some battles, ascending, and their coefficients, shape (words, d + 1).

    ``is_fitted`` says that the fit has these battles; the coefficients are those of the fit without them.
    """
    words, columns = np.unique(observed.indices, return_inverse=True)
    coefficients = prompt_word_regression["coefficients"][words]
    if not is_fitted:
        return words, coefficients
    occurrences = sparse.csr_matrix((observed.data, columns, observed.indptr), shape=(len(prompts), len(words)))
    if len(prompts) > prompts.shape[1]:
        # As many rows as columns have the same products with each other and with the words, which is all that counts.
        axes, prompts = np.linalg.qr(prompts)
        occurrences = axes.T @ occurrences
    else:
        occurrences = occurrences.toarray()
    # PRESS (Allen, 1974) for several rows at once.
    weights = prompts @ prompt_word_regression["inverse_gram"]
    residuals = occurrences - prompts @ coefficients.T
    corrections = np.linalg.solve(np.eye(len(prompts)) - weights @ prompts.T, residuals)
    return words, coefficients - corrections.T @ weights


def _measure_response(
    responses: _Responses,
    index: int,
    words: IntArray,
    probabilities: FloatArray,
    relevance: FloatArray,
    idf: FloatArray,
) -> FloatArray:
    """Measure one response, given probability, relevance and idf of each of some ``words``; shape (6,)."""
    start, end = responses.starts[index : index + 2]
    bounds = responses.words.indptr[start : end + 1]
    occurrences = np.searchsorted(words, responses.words.indices[bounds[0] : bounds[-1]])
    if not len(occurrences):
        return np.zeros(len(RELEVANCE_COUNTS) + len(RELEVANCE_RATIOS))
    sums = np.zeros((2, len(occurrences) + 1))
    np.cumsum([(idf * relevance)[occurrences], idf[occurrences]], axis=1, out=sums[:, 1:])
    weighted, weight = np.diff(sums[:, bounds - bounds[0]], axis=1)
    of_sentences = np.divide(weighted, weight, out=np.zeros_like(weighted), where=weight > 0)

    distinct = np.unique(occurrences)
    probabilities, relevance, idf = probabilities[distinct], relevance[distinct], idf[distinct]
    is_expected = (relevance > _EXPECTED_RELEVANCE) & (probabilities > _EXPECTED_PROBABILITY)
    expected = np.where(is_expected, probabilities, 0.0)
    return np.array(
        [
            (expected * idf).sum(),
            np.square(expected).sum(),
            (of_sentences < _STRAY_RELEVANCE).sum(),
            np.average(of_sentences, weights=responses.characters[start:end]),
            of_sentences.std(),
            (relevance * idf).sum() / idf.sum() if idf.any() else 0.0,
        ]
    )


def _hash_ids(ids: pd.Series) -> npt.NDArray[np.int64]:
    return hash_array(ids.to_numpy(object), categorize=False).view(np.int64)
