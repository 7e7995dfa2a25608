"""Relevance: how well the words of a response fit its prompt.

Ridge regression from the LSA of prompts predicts which words responses use; it needs no label. The relevance of a word
is the log ratio of its probability under the prompt to its baseline over all prompts: sentences off the topic consist
of words of low relevance, and an incomplete response lacks relevant words.

Training battles are compared with the fit without their own prompt group, which ridge regression yields in closed form.
Otherwise any response to an unusual prompt would be exactly what the fit predicts there.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from pandas.util import hash_array
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer, normalize

from arena_preference.battles import ID, FloatArray

from .config import RelevanceConfig
from .contrasts import Columns, contrast_sides, tabulate
from .texts import SIDES, IntArray, iter_group_chunks, read_turns, sample_texts, split_sentences
from .tfidf import count_words, fit_svd, fit_tfidf, weigh

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
    """The distinct responses of some battles, split into sentences.

    Attributes:
        words: Which word occurs in which sentence: sparse ones, shape (sentences, words).
        characters: Of each sentence, shape (sentences,).
        starts: First sentence of each response, shape (responses + 1,); the last is the number of sentences.
        distinct_words: Which word occurs in which response: sparse ones, sorted, shape (responses, words).
    """

    words: Any
    characters: FloatArray
    starts: IntArray
    distinct_words: Any

    def list_words(self, response: int) -> IntArray:
        """Return the words of a response, ascending."""
        start, end = self.distinct_words.indptr[response : response + 2]
        return self.distinct_words.indices[start:end]


class _Battles(NamedTuple):
    """Some battles.

    Attributes:
        prompts: LSA of the distinct prompts and a constant of 1, shape (prompts, d + 1).
        responses: The distinct responses.
        rows: Prompt, response a and response b of each battle, shape (battles, 3).
    """

    prompts: FloatArray
    responses: _Responses
    rows: IntArray

    def average_sides(self) -> Any:
        """Return the fraction of a battle's two responses that have each word: sparse and sorted, (battles, words)."""
        a, b = (self.responses.distinct_words[self.rows[:, column]] for column in (1, 2))
        average = (a + b) / 2
        average.sort_indices()
        return average


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
    svd = fit_svd(weights, config, seed)
    prompt_lsa = Pipeline([("tfidf", tfidf), ("svd", svd), ("length", Normalizer())])
    return prompt_lsa, fit_prompt_word_regression(battles, prompt_lsa, word_tfidf, config.alpha)


def fit_prompt_word_regression(
    battles: pd.DataFrame, prompt_lsa: Pipeline, word_tfidf: TfidfVectorizer, alpha: float, *, chunk_rows: int = 1000
) -> Arrays:
    """Fit the regression of ``fit_relevance_model``; ``chunk_rows`` can change its last digits."""
    gram: FloatArray = np.zeros(())
    products: FloatArray = np.zeros(())
    for start in range(0, len(battles), chunk_rows):
        read = _read_battles(battles.iloc[start : start + chunk_rows], prompt_lsa, word_tfidf)
        prompts = read.prompts[read.rows[:, 0]]
        gram = gram + prompts.T @ prompts
        products = products + read.average_sides().T @ prompts
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
    measured = np.zeros((len(battles), len(SIDES), len(RELEVANCE_COUNTS) + len(RELEVANCE_RATIOS)))
    idf = word_tfidf.idf_
    is_fitted = np.zeros(len(battles), dtype=bool)
    if leave_out:
        is_fitted = np.isin(_hash_ids(battles[ID]), prompt_word_regression["id_hashes"])
    new = np.flatnonzero(~is_fitted)
    for rows in (new[start : start + chunk_rows] for start in range(0, len(new), chunk_rows)):
        read = _read_battles(battles.iloc[rows], prompt_lsa, word_tfidf)
        measured[rows] = _measure_new(read, prompt_word_regression, idf)
    fitted = _list_groups(battles, np.flatnonzero(is_fitted)) if leave_out else []
    for groups in iter_group_chunks(fitted, chunk_rows):
        rows = np.concatenate(groups)
        read = _read_battles(battles.iloc[rows], prompt_lsa, word_tfidf)
        measured[rows] = _measure_left_out(read, [len(group) for group in groups], prompt_word_regression, idf)
    features: Columns = {}
    for name, (a, b) in zip((*RELEVANCE_COUNTS, *RELEVANCE_RATIOS), measured.T, strict=True):
        features |= contrast_sides(name, a, b, "reldiff" if name in RELEVANCE_COUNTS else "diff")
    return tabulate(battles, features)


def compute_left_out_relevance_features(
    battles: pd.DataFrame, prompt_lsa: Pipeline, word_tfidf: TfidfVectorizer, prompt_word_regression: Arrays
) -> pd.DataFrame:
    """Run ``compute_relevance_features`` on the battles of the fit, with ``leave_out``."""
    return compute_relevance_features(battles, prompt_lsa, word_tfidf, prompt_word_regression, leave_out=True)


def _list_groups(battles: pd.DataFrame, rows: IntArray) -> list[IntArray]:
    """Return the rows of each prompt group, of some rows, in the order of their ids."""
    ids = battles[ID].to_numpy(object)
    groups = (rows[indices] for indices in battles.iloc[rows].groupby("prompt_group", sort=False).indices.values())
    return [group[np.argsort(ids[group])] for group in groups]


def _read_battles(battles: pd.DataFrame, prompt_lsa: Pipeline, word_tfidf: TfidfVectorizer) -> _Battles:
    texts = read_turns(battles)
    prompts, rows_of_prompts = np.unique(texts.select("prompt"), return_inverse=True)
    responses, rows_of_responses = np.unique(texts.select(*SIDES), return_inverse=True)
    return _Battles(
        _transform_prompts(texts.join(prompts), prompt_lsa),
        _read_responses([texts.turns[row] for row in responses], word_tfidf),
        np.column_stack([rows_of_prompts, rows_of_responses]),
    )


def _transform_prompts(prompts: list[str], prompt_lsa: Pipeline) -> FloatArray:
    """Return the LSA of the prompts and a constant of 1, shape (n, d + 1)."""
    weights = weigh(count_words(prompt_lsa["tfidf"], prompts), prompt_lsa["tfidf"].idf_)
    # normalize rejects a table without rows.
    components = weights @ prompt_lsa["svd"].components_.T
    return np.column_stack([normalize(components) if prompts else components, np.ones(len(prompts))])


def _read_responses(responses: list[tuple[str | None, ...]], word_tfidf: TfidfVectorizer) -> _Responses:
    """Split responses into sentences and look up their words."""
    rows = np.repeat(np.arange(len(responses)), [len(turns) for turns in responses])
    turns = pl.Series("text", [turn for turns in responses for turn in turns], dtype=pl.String)
    sentences = split_sentences(pl.DataFrame({"response": rows, "text": turns}), "text")
    words = count_words(word_tfidf, sentences["text"].to_list())
    words.data[:] = 1
    counts = np.bincount(sentences["response"].to_numpy(), minlength=len(responses))
    starts = np.concatenate([[0], counts.cumsum()])
    sentences_of_responses = sparse.csr_matrix(
        (np.ones(len(sentences)), np.arange(len(sentences)), starts), shape=(len(responses), len(sentences))
    )
    distinct_words = sentences_of_responses @ words
    distinct_words.data[:] = 1
    distinct_words.sort_indices()
    return _Responses(words, sentences["text"].str.len_chars().to_numpy().astype(np.float64), starts, distinct_words)


def _measure_new(battles: _Battles, prompt_word_regression: Arrays, idf: FloatArray) -> FloatArray:
    """Measure the responses of battles that were not fitted, shape (battles, 2, 6): each response to a prompt once."""
    prompts, a, b = battles.rows.T
    pairs, rows = np.unique([[*prompts, *prompts], [*a, *b]], axis=1, return_inverse=True)
    coefficients = prompt_word_regression["coefficients"]
    measured = [
        _measure_response(
            battles.responses,
            response,
            battles.prompts[prompt],
            coefficients[battles.responses.list_words(response)],
            prompt_word_regression["document_frequencies"],
            idf,
        )
        for prompt, response in pairs.T
    ]
    return np.array(measured)[rows].reshape(2, len(prompts), -1).swapaxes(0, 1)


def _measure_left_out(
    battles: _Battles, group_sizes: Sequence[int], prompt_word_regression: Arrays, idf: FloatArray
) -> FloatArray:
    """Measure the responses of fitted battles, group after group, as if their group had not been; (battles, 2, 6)."""
    measured = []
    prompts, observed = battles.prompts[battles.rows[:, 0]], battles.average_sides()
    start = 0
    for size in group_sizes:
        group = slice(start, start + size)
        words, coefficients = _leave_out_group(prompts[group], observed[group], prompt_word_regression)
        # One response at a time: a table of battles and words would grow with the square of a group.
        for prompt, responses in zip(prompts[group], battles.rows[group, 1:], strict=True):
            for response in responses:
                own = np.searchsorted(words, battles.responses.list_words(response))
                measured.append(
                    _measure_response(
                        battles.responses,
                        response,
                        prompt,
                        coefficients[own],
                        prompt_word_regression["document_frequencies"],
                        idf,
                    )
                )
        start += size
    return np.array(measured).reshape(len(prompts), 2, -1)


def _leave_out_group(prompts: FloatArray, observed: Any, prompt_word_regression: Arrays) -> tuple[IntArray, FloatArray]:
    """Return the words that occur in some battles, ascending, and their coefficients in the fit without these battles.

    The coefficients have the shape (words, d + 1).
    """
    words, columns = np.unique(observed.indices, return_inverse=True)
    coefficients = prompt_word_regression["coefficients"][words]
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
    prompt: FloatArray,
    coefficients: FloatArray,
    document_frequencies: FloatArray,
    idf: FloatArray,
) -> FloatArray:
    """Measure one response to a prompt, given the coefficients of its words; shape (6,)."""
    words = responses.list_words(index)
    if not len(words):
        return np.zeros(len(RELEVANCE_COUNTS) + len(RELEVANCE_RATIOS))
    # Word by word: the last digits of a product with a matrix depend on its size.
    probabilities = np.vecdot(coefficients.astype(np.float64), prompt).clip(0.0, _MAX_PROBABILITY)
    baseline = np.log(document_frequencies[words] + _SMALL_PROBABILITY)
    relevance = np.log(probabilities + _SMALL_PROBABILITY) - baseline
    # 0 for a word of every text.
    idf = idf[words].astype(np.float64) - 1
    start, end = responses.starts[index : index + 2]
    bounds = responses.words.indptr[start : end + 1]
    occurrences = np.searchsorted(words, responses.words.indices[bounds[0] : bounds[-1]])
    sums = np.zeros((2, len(occurrences) + 1))
    np.cumsum([(idf * relevance)[occurrences], idf[occurrences]], axis=1, out=sums[:, 1:])
    weighted, weight = np.diff(sums[:, bounds - bounds[0]], axis=1)
    of_sentences = np.divide(weighted, weight, out=np.zeros_like(weighted), where=weight > 0)
    characters = responses.characters[start:end]
    is_expected = (relevance > _EXPECTED_RELEVANCE) & (probabilities > _EXPECTED_PROBABILITY)
    expected = np.where(is_expected, probabilities, 0.0)
    return np.array(
        [
            (expected * idf).sum(),
            np.square(expected).sum(),
            (of_sentences < _STRAY_RELEVANCE).sum(),
            (of_sentences * characters).sum() / characters.sum(),
            of_sentences.std(),
            (relevance * idf).sum() / idf.sum() if idf.any() else 0.0,
        ]
    )


def _hash_ids(ids: pd.Series) -> npt.NDArray[np.int64]:
    return hash_array(ids.to_numpy(object), categorize=False).view(np.int64)
