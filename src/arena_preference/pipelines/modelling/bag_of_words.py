"""The bag-of-words model: a sparse linear model of which words the two answers use, the first level below CatBoost."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from arena_preference.battles import ID, PREFERS_A, TIE, FloatArray

from .config import BagOfWordsConfig

Arrays = dict[str, npt.NDArray[Any]]
Labels = npt.NDArray[np.integer[Any]]

#: Log-odds of A against B, and of a tie against a verdict, as features of CatBoost.
SCORE_COLUMNS = ("bow_side__diff", "bow_tie__pair")


def read_differences(tfidf_differences: pd.DataFrame) -> Any:
    """Build the sparse matrix of battles by words, at least one battle, from schema ``TfidfDifferences``."""
    words, weights = tfidf_differences["words"], tfidf_differences["weights"]
    starts = np.concatenate([[0], words.map(len).to_numpy().cumsum()])
    shape = (len(tfidf_differences), int(tfidf_differences["vocabulary"].iloc[0]))
    return sparse.csr_matrix((np.concatenate(weights.to_list()), np.concatenate(words.to_list()), starts), shape=shape)


def fit_bow_model(differences: Any, labels: Labels, options: BagOfWordsConfig) -> Arrays:
    """Fit two logistic regressions: which side wins, from the differences, and whether there is a tie, from their size.

    The first has no intercept and the second sees absolute values alone, so swapping the sides of any battle changes
    neither.

    Args:
        differences: Sparse, shape (n, words).
        labels: Shape (n,), all three present.
        options: Parameters ``modelling.bow_model``.

    Returns:
        ``side`` and ``tie``, shape (words,), and ``tie_intercept``, shape (1,).
    """
    decided = np.flatnonzero(labels != TIE)
    side = LogisticRegression(C=options.C_side, fit_intercept=False, max_iter=options.max_iter)
    side.fit(differences[decided], labels[decided] == PREFERS_A)
    tie = LogisticRegression(C=options.C_tie, max_iter=options.max_iter).fit(abs(differences), labels == TIE)
    return {"side": side.coef_[0], "tie": tie.coef_[0], "tie_intercept": tie.intercept_}


def score_by_words(differences: Any, model: Arrays) -> FloatArray:
    """Give the two log-odds of each battle, shape (n, 2), in the order of ``SCORE_COLUMNS``."""
    return np.column_stack([differences @ model["side"], abs(differences) @ model["tie"] + model["tie_intercept"]])


def fit_without_pairs(
    differences: Any, labels: Labels, fold: npt.NDArray[Any], options: BagOfWordsConfig
) -> Iterator[tuple[tuple[int, int], Arrays]]:
    """Fit one bag-of-words model on all battles outside each pair of folds.

    Yields:
        The pair and its model.
    """
    for pair in combinations(np.unique(fold).tolist(), 2):
        rows = np.flatnonzero(~np.isin(fold, pair))
        yield pair, fit_bow_model(differences[rows], labels[rows], options)


def average_models(models: list[Arrays]) -> Arrays:
    """Average the coefficients, so that the model's scores are the mean of the models' scores."""
    return {name: np.mean([model[name] for model in models], axis=0) for name in models[0]}


def take_fold_scores(oof_bow_logits: pd.DataFrame, number: int) -> pd.DataFrame:
    """Take the scores that no label of a fold had a part in, under the names of ``SCORE_COLUMNS``."""
    columns = {f"{name}_{number}": name for name in SCORE_COLUMNS}
    return oof_bow_logits[[ID, *columns]].rename(columns=columns)
