"""How much an answer has to do with its prompt, by the words that such a prompt makes one expect.

Which words do answers to a prompt use? Ridge regression from the latent directions of prompts to the words of answers
tells, and needs no verdict. A word is *relevant* as far as its prompt makes it likelier than prompts do on average:
sentences that stray from the subject hold words that are not, and an answer that leaves something out lacks words that
are.

Training battles are looked at as though those of their prompt group had had no part in the fit, which ridge regression
allows without a second one. Otherwise whatever is said to an unusual prompt would be just what is expected there.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline as PromptVectorizer

from arena_preference.battles import ID, FloatArray

from .measurement import UNITS, join_turns, list_sentences, read_turns

Arrays = dict[str, npt.NDArray[Any]]
Places = npt.NDArray[np.int64]

# Battles whose sentences are held at a time, or one prompt group; it changes no feature, and the fit by rounding alone.
_CHUNK_ROWS: Final = 1000
# Below this one, chances are hardly told apart.
_SMALL_CHANCE: Final = 1e-3
_LARGEST_CHANCE: Final = 0.99
# A word is expected if its prompt makes it e times as likely as others do, and not unlikely.
_EXPECTED_RELEVANCE: Final = 1.0
_EXPECTED_CHANCE: Final = 0.02
_STRAY_RELEVANCE: Final = -0.2

#: Quantities of an answer that are never negative and grow with it: its expected words, each with the product of chance
#: and inverse document frequency, or with the square of its chance; and its sentences of words that are not relevant.
RELEVANCE_SIZES: Final = ("prompt_word_regression", "most_expected_words", "stray_sentences")
#: Quantities that do not grow with it, of natural logarithms: the mean relevance of its sentences, weighted by their
#: characters, their standard deviation, where each sentence counts alike, and the mean relevance of its words, weighted
#: by inverse document frequency. A sentence without a known word has relevance 0.
RELEVANCE_RATES: Final = ("sentence_relevance", "sentence_relevance_spread", "word_relevance")


class _Answers(NamedTuple):
    """The sentences of one side's answers.

    Attributes:
        words: Which word occurs in which sentence: sparse, shape (sentences, words), with ones.
        characters: Of each sentence, shape (sentences,).
        starts: Where the sentences of each answer start, shape (answers + 1,); the last is their number.
    """

    words: Any
    characters: Places
    starts: Places


def fit_expectation(
    battles: pd.DataFrame, prompt_lsa: PromptVectorizer, word_tfidf: TfidfVectorizer, alpha: float
) -> Arrays:
    """Fit the ridge regression from the prompt to the words of the two answers.

    Args:
        battles: Schema ``Battles``, at least one.
        prompt_lsa: Gives d latent directions.
        word_tfidf: Its vocabulary of v words is looked for.
        alpha: On the squared coefficients.

    Returns:
        ``coefficients``, shape (v, d + 1), the last for the constant; ``inverse_gram``, shape (d + 1, d + 1), of the
        penalised Gram matrix; ``shares``, shape (v,), of the answers that have each word; ``ids`` of the
        battles, ascending.
    """
    gram: FloatArray = np.zeros(())
    products: FloatArray = np.zeros(())
    for start in range(0, len(battles), _CHUNK_ROWS):
        chunk = read_turns(battles.iloc[start : start + _CHUNK_ROWS])
        directions = _find_directions(chunk, prompt_lsa)
        gram = gram + directions.T @ directions
        products = products + _average_sides(_read_sides(chunk, word_tfidf)).T @ directions
    inverse_gram = np.linalg.inv(gram + alpha * np.eye(len(gram)))
    return {
        "coefficients": (products @ inverse_gram).astype(np.float32),
        "inverse_gram": inverse_gram,
        # The last direction is 1 for every battle.
        "shares": products[:, -1] / len(battles),
        "ids": np.sort(battles[ID].to_numpy(np.int64)),
    }


def measure_relevance(
    battles: pd.DataFrame,
    prompt_lsa: PromptVectorizer,
    word_tfidf: TfidfVectorizer,
    expectation: Arrays,
    *,
    leave_out: bool,
) -> FloatArray:
    """Measure how much the answers of each battle have to do with its prompt.

    Args:
        battles: Schema ``Battles``.
        prompt_lsa: That of ``fit_expectation``.
        word_tfidf: That of ``fit_expectation``.
        expectation: What ``fit_expectation`` gives.
        leave_out: Look at a battle that was fitted as though those of its prompt group in this table had not been. For
            the battles of the fit alone, in whole prompt groups: other battles may have the same ids.

    Returns:
        Shape (n, 2, quantities), ``RELEVANCE_SIZES`` before ``RELEVANCE_RATES``; 0 for an answer of no known word.

    Raises:
        ValueError: If the sizes of the three do not fit together.
    """
    n_words, n_directions = expectation["coefficients"].shape
    if (n_words, n_directions - 1) != (len(word_tfidf.vocabulary_), len(prompt_lsa["svd"].components_)):
        raise ValueError(
            f"prompt_word_regression is about {n_words} words and {n_directions - 1} directions of prompts, word_tfidf "
            f"knows {len(word_tfidf.vocabulary_)} words and prompt_lsa "
            f"{len(prompt_lsa['svd'].components_)} directions: they come from different runs. "
            "Run the pipeline features on train again."
        )
    measured = np.zeros((len(battles), 2, len(RELEVANCE_SIZES) + len(RELEVANCE_RATES)))
    # scikit-learn's inverse document frequency is 1 for a word that every text has.
    informativeness = word_tfidf.idf_.astype(np.float64) - 1
    for units in _gather_units(battles, expectation["ids"] if leave_out else None):
        rows = np.concatenate([unit for unit, _ in units])
        chunk = read_turns(battles.iloc[rows])
        sides = _read_sides(chunk, word_tfidf)
        found = _average_sides(sides)
        directions = _find_directions(chunk, prompt_lsa)
        first = 0
        for unit, is_fitted in units:
            last = first + len(unit)
            words, chances = _expect_words(directions[first:last], found[first:last], expectation, is_fitted)
            usual = np.log(expectation["shares"][words] + _SMALL_CHANCE)
            for place, chance in enumerate(chances, first):
                relevance = np.log(chance + _SMALL_CHANCE) - usual
                for side, answers in enumerate(sides):
                    measured[rows[place], side] = _measure_answer(
                        answers, place, words, chance, relevance, informativeness[words]
                    )
            first = last
    return measured


def _gather_units(battles: pd.DataFrame, fitted_ids: Places | None) -> Iterator[list[tuple[Places, bool]]]:
    """List rows that are looked at together and whether they were fitted, about ``_CHUNK_ROWS`` rows at a time.

    They are the fitted battles of a prompt group, in the order of their ids, or one battle that was not fitted.
    """
    ids = battles[ID].to_numpy(np.int64)
    is_fitted = np.isin(ids, [] if fitted_ids is None else fitted_ids)
    names = battles["prompt_group"].where(is_fitted, battles[ID].astype(str))
    units: list[tuple[Places, bool]] = []
    n_rows = 0
    for rows in names.groupby(names.to_numpy(), sort=False).indices.values():
        units.append((rows[np.argsort(ids[rows])], bool(is_fitted[rows[0]])))
        n_rows += len(rows)
        if n_rows >= _CHUNK_ROWS:
            yield units
            units, n_rows = [], 0
    if units:
        yield units


def _find_directions(texts: pl.DataFrame, prompt_lsa: PromptVectorizer) -> FloatArray:
    """Give the latent directions of the prompts and a constant of 1, shape (n, d + 1)."""
    prompts = join_turns(texts)["prompt"].to_list()
    return np.column_stack([prompt_lsa.transform(prompts), np.ones(len(prompts))])


def _read_sides(texts: pl.DataFrame, word_tfidf: TfidfVectorizer) -> list[_Answers]:
    return [_read_answers(texts[side], word_tfidf) for side in UNITS[1:]]


def _read_answers(answers: pl.Series, word_tfidf: TfidfVectorizer) -> _Answers:
    """Cut answers, which are lists of turns, into sentences and look up their words."""
    owners = pl.int_range(len(answers), dtype=pl.UInt32, eager=True)
    sentences = list_sentences(pl.DataFrame({"answer": owners, "text": answers}).explode("text"), "text")
    # scikit-learn refuses to transform no texts at all.
    words = word_tfidf.transform(sentences["text"].to_list() or [""])[: len(sentences)]
    words.data[:] = 1
    counts = np.bincount(sentences["answer"].to_numpy(), minlength=len(answers))
    return _Answers(words, sentences["text"].str.len_chars().to_numpy(), np.concatenate([[0], counts.cumsum()]))


def _average_sides(sides: list[_Answers]) -> Any:
    """Give the share of a battle's two answers that have each word: sparse, shape (n, words), values 1/2 and 1."""
    total: Any = 0
    for answers in sides:
        n_sentences = len(answers.characters)
        of_answers = (np.ones(n_sentences), np.arange(n_sentences), answers.starts)
        found = sparse.csr_matrix(of_answers, shape=(len(answers.starts) - 1, n_sentences)) @ answers.words
        found.data[:] = 1 / 2
        total = total + found
    return total


def _expect_words(
    directions: FloatArray, found: Any, expectation: Arrays, is_fitted: bool
) -> tuple[Places, FloatArray]:
    """Give the words that occur in some battles, ascending, and how likely each prompt makes them: (battles, words)."""
    words, columns = np.unique(found.indices, return_inverse=True)
    chances = directions @ expectation["coefficients"][words].T
    if is_fitted:
        observed = np.zeros_like(chances)
        observed[np.repeat(np.arange(len(chances)), np.diff(found.indptr)), columns] = found.data
        leverage = directions @ expectation["inverse_gram"] @ directions.T
        # What a fit without these battles would give, as in PRESS (Allen, 1974), for several rows at once.
        chances -= leverage @ np.linalg.solve(np.eye(len(leverage)) - leverage, observed - chances)
    return words, chances.clip(0.0, _LARGEST_CHANCE)


def _measure_answer(
    answers: _Answers,
    place: int,
    words: Places,
    chances: FloatArray,
    relevance: FloatArray,
    informativeness: FloatArray,
) -> FloatArray:
    """Measure the answer at a place of its side, given what is known of each of some ``words``; shape (quantities,)."""
    start, end = answers.starts[place : place + 2]
    bounds = answers.words.indptr[start : end + 1]
    occurring = np.searchsorted(words, answers.words.indices[bounds[0] : bounds[-1]])
    if not len(occurring):
        return np.zeros(len(RELEVANCE_SIZES) + len(RELEVANCE_RATES))
    sums = np.zeros((2, len(occurring) + 1))
    np.cumsum([(informativeness * relevance)[occurring], informativeness[occurring]], axis=1, out=sums[:, 1:])
    weighted, weight = np.diff(sums[:, bounds - bounds[0]], axis=1)
    of_sentences = np.divide(weighted, weight, out=np.zeros_like(weighted), where=weight > 0)
    characters = answers.characters[start:end]

    distinct = np.unique(occurring)
    chances, relevance, informativeness = chances[distinct], relevance[distinct], informativeness[distinct]
    expected = np.where((relevance > _EXPECTED_RELEVANCE) & (chances > _EXPECTED_CHANCE), chances, 0.0)
    return np.array(
        [
            (expected * informativeness).sum(),
            np.square(expected).sum(),
            (of_sentences < _STRAY_RELEVANCE).sum(),
            np.average(of_sentences, weights=characters),
            of_sentences.std(),
            (relevance * informativeness).sum() / informativeness.sum() if informativeness.any() else 0.0,
        ]
    )
