"""Bag-of-words model: two logistic regressions on TF-IDF differences, whose log-odds are features of CatBoost."""

from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from arena_preference.battles import ID, LABEL_COLUMNS, PREFERS_A, TIE, FloatArray, align_rows
from arena_preference.targets import list_examples, read_votes

from .config import BagOfWordsConfig, ModellingConfig

Arrays = dict[str, npt.NDArray[Any]]

#: Log-odds of A against B, and of a tie against a preference.
BOW_COLUMNS: Final = ("bow_side__diff", "bow_tie__pair")


def fit_bow_model(
    tfidf_differences: pd.DataFrame, labels: pd.DataFrame, config: ModellingConfig
) -> tuple[Arrays, pd.DataFrame]:
    """Fit a bag-of-words model outside each pair of folds, and average them by fold.

    CatBoost for fold k is fitted on the other folds. To learn how far to trust the bag-of-words model, it needs scores
    from models that have seen neither the battle nor fold k: for a battle of fold j, those of the model without j and
    k. On fold k itself, it uses the mean of all models without k.

    Returns:
        For each fold the average of the models without it: ``side`` and ``tie``, shape (folds, words), and
        ``tie_intercept``, shape (folds, 1). And the out-of-fold log-odds: id, fold, for each fold k
        ``bow_side__diff_<k>`` and ``bow_tie__pair_<k>``, by models that have seen no label of fold k, and
        ``bow_side__diff`` and ``bow_tie__pair``, those of the battle's own fold.

    Raises:
        ValueError: If no battle outside a pair of folds is won by A, or none by B.
    """
    aligned = align_rows(labels, tfidf_differences[ID], "labels")
    votes, fold = read_votes(aligned), aligned["fold"].to_numpy()
    differences = _build_matrix(tfidf_differences)
    numbers = np.unique(fold)
    logits = {number: np.zeros((len(fold), len(BOW_COLUMNS))) for number in numbers}
    models = {}
    for pair in combinations(numbers, 2):
        rows = np.flatnonzero(~np.isin(fold, pair))
        models[pair] = _fit_regressions(differences[rows], votes[rows], config.bow_model)
        of_pair = _compute_logits(differences, models[pair])
        for number, other in (pair, pair[::-1]):
            logits[number][fold == other] = of_pair[fold == other]
            logits[number][fold == number] += of_pair[fold == number] / (len(numbers) - 1)
    averages = [_average([model for pair, model in models.items() if number in pair]) for number in numbers]
    table = aligned[[ID, "fold"]].copy()
    for number in numbers:
        table[[f"{name}_{number}" for name in BOW_COLUMNS]] = logits[number].astype(np.float32)
    own = np.select([(fold == number)[:, None] for number in numbers], list(logits.values()))
    table[list(BOW_COLUMNS)] = own.astype(np.float32)
    return {name: np.stack([average[name] for average in averages]) for name in averages[0]}, table


def predict_bow_logits(tfidf_differences: pd.DataFrame, bow_model: Arrays, fold: int | None = None) -> pd.DataFrame:
    """Return id and the float32 columns ``bow_side__diff`` and ``bow_tie__pair`` of new battles.

    They are by the model that has seen no label of the fold or, without one, by the average of all models.

    Raises:
        ValueError: If the model was fitted on another vocabulary.
    """
    differences = _build_matrix(tfidf_differences)
    words = bow_model["side"].shape[-1]
    if differences.shape[1] != words:
        raise ValueError(
            f"bow_model was fitted on {words} words and tfidf_differences has {differences.shape[1]}, "
            "so they come from different runs. Run the pipelines features and modelling again, or take all inputs from "
            "one run with --params=from_run=RUN."
        )
    model = {name: values.mean(axis=0) if fold is None else values[fold] for name, values in bow_model.items()}
    logits = _compute_logits(differences, model).astype(np.float32)
    return pd.concat([tfidf_differences[[ID]], pd.DataFrame(logits, columns=list(BOW_COLUMNS))], axis=1)


def select_fold_logits(oof_bow_logits: pd.DataFrame, fold: int) -> pd.DataFrame:
    """Return id and the log-odds by models that have seen no label of the fold, named ``BOW_COLUMNS``."""
    columns = {f"{name}_{fold}": name for name in BOW_COLUMNS}
    return oof_bow_logits[[ID, *columns]].rename(columns=columns)


def _build_matrix(tfidf_differences: pd.DataFrame) -> Any:
    """Return the sparse matrix of battles by words."""
    words, weights = tfidf_differences["words"], tfidf_differences["weights"]
    starts = np.concatenate([[0], words.map(len).to_numpy().cumsum()])
    shape = (len(tfidf_differences), int(tfidf_differences["vocabulary"].iloc[0]))
    return sparse.csr_matrix((np.concatenate(weights.to_list()), np.concatenate(words.to_list()), starts), shape=shape)


def _fit_regressions(differences: Any, votes: FloatArray, config: BagOfWordsConfig) -> Arrays:
    """Fit which side wins on the differences, and whether there is a tie on their absolute values.

    The first has no intercept and the second sees no sign, so swapping the sides of any battle changes neither.
    """
    sides, ties = votes[:, :TIE], votes[:, TIE]
    if not sides.any(axis=0).all():
        absent = LABEL_COLUMNS[int(np.argmin(sides.any(axis=0)))]
        raise ValueError(
            f"No battle of {len(votes)} that the bag-of-words model is fitted on has the label {absent}. Add battles "
            "with it, or exchange the responses of half of the battles together with their labels."
        )
    rows, classes, weights = list_examples(sides)
    side = LogisticRegression(C=config.C_side, fit_intercept=False, max_iter=config.max_iter)
    side.fit(differences[rows], classes == PREFERS_A, weights)
    if not ties.any():
        # Laplace's rule of succession, since a regression needs both classes.
        intercept = np.array([-np.log1p(votes.sum())])
        return {"side": side.coef_[0], "tie": np.zeros(differences.shape[1]), "tie_intercept": intercept}
    rows, classes, weights = list_examples(np.column_stack([sides.sum(axis=1), ties]))
    tie = LogisticRegression(C=config.C_tie, max_iter=config.max_iter)
    tie.fit(abs(differences)[rows], classes == 1, weights)
    return {"side": side.coef_[0], "tie": tie.coef_[0], "tie_intercept": tie.intercept_}


def _average(models: list[Arrays]) -> Arrays:
    return {name: np.mean([model[name] for model in models], axis=0) for name in models[0]}


def _compute_logits(differences: Any, model: Arrays) -> FloatArray:
    """Return the log-odds, shape (n, 2), in the order of ``BOW_COLUMNS``."""
    return np.column_stack([differences @ model["side"], abs(differences) @ model["tie"] + model["tie_intercept"]])
