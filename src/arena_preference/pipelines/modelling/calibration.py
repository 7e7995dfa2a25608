"""Calibration: the temperature of the logits of linear model and CatBoost, and the weight of the cross encoders'."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import softmax

from arena_preference.battles import (
    ID,
    LABEL_COLUMNS,
    ORIGINAL_ORDER,
    SWAPPED_ORDER,
    TIE,
    FloatArray,
    align_rows,
    has_values,
)
from arena_preference.metrics import compute_losses, select_probabilities
from arena_preference.targets import read_votes

from .config import ModellingConfig


def fit_calibration(
    oof_logits: pd.DataFrame, cross_encoder_logits: pd.DataFrame, labels: pd.DataFrame, config: ModellingConfig
) -> dict[str, Any]:
    """Fit a temperature (Guo et al., 2017) and the weight of the cross encoders, where there are any.

    Two numbers cannot overfit. As features of CatBoost, the logits of cross encoders, each of which has seen the labels
    of the other folds, improved nothing on 4,000 battles.

    Returns:
        ``temperature`` and ``cross_encoder_weight`` (None without cross encoders), fitted on all folds, for new
        battles; ``folds``: the same two for each fold, fitted on the other folds, for out-of-fold predictions; and
        ``tie_prior`` (see ``choose_tie_prior``).
    """
    votes = read_votes(align_rows(labels, oof_logits[ID], "labels"))
    tie_prior = choose_tie_prior(votes, config)
    logits = average_orders(oof_logits)
    if tie_prior is not None:
        logits[:, TIE] = -np.inf
    cross_encoder = read_logits(cross_encoder_logits, oof_logits[ID])

    def fit(rows: Any) -> dict[str, float | None]:
        return _minimize_log_loss(logits[rows], None if cross_encoder is None else cross_encoder[rows], votes[rows])

    fold = oof_logits["fold"].to_numpy()
    folds = {str(number): fit(fold != number) for number in np.unique(fold)}
    return {**fit(slice(None)), "folds": folds, "tie_prior": tie_prior}


def calibrate_out_of_fold(
    oof_logits: pd.DataFrame, cross_encoder_logits: pd.DataFrame, calibration: dict[str, Any]
) -> FloatArray:
    """Return the final probabilities, shape (n, 3), with temperature and weight fitted on the other folds."""
    logits = average_orders(oof_logits) / select_fold_values(calibration, "temperature", oof_logits["fold"])
    cross_encoder = read_logits(cross_encoder_logits, oof_logits[ID])
    if cross_encoder is not None:
        logits += select_fold_values(calibration, "cross_encoder_weight", oof_logits["fold"]) * cross_encoder
    return set_tie_prior(softmax(logits, axis=1), calibration["tie_prior"])


def choose_tie_prior(votes: FloatArray, config: ModellingConfig) -> float | None:
    """Return ``config.tie_prior`` if no battle is a tie, None if ties can be learned; votes have shape (n, 3)."""
    return None if votes[:, TIE].any() else config.tie_prior


def set_tie_prior(probabilities: FloatArray, tie_prior: float | None) -> FloatArray:
    """Return probabilities, shape (n, 3), in which a tie has its prior, unless that is None."""
    if tie_prior is None:
        return probabilities
    sides = probabilities[:, :TIE]
    decided = (1 - tie_prior) * sides / sides.sum(axis=1, keepdims=True)
    return np.column_stack([decided, np.full(len(decided), tie_prior)])


def average_orders(oof_logits: pd.DataFrame) -> FloatArray:
    """Return the mean logits of both orders, shape (n, 3)."""
    return (select_probabilities(oof_logits, ORIGINAL_ORDER) + select_probabilities(oof_logits, SWAPPED_ORDER)) / 2


def select_fold_values(calibration: dict[str, Any], name: str, fold: pd.Series) -> FloatArray:
    """Return the number fitted on the other folds for each battle, shape (n, 1)."""
    values = {number: fitted[name] for number, fitted in calibration["folds"].items()}
    return fold.astype(str).map(values).to_numpy(dtype=float)[:, None]


def read_logits(cross_encoder_logits: pd.DataFrame, ids: pd.Series) -> FloatArray | None:
    """Return the logits in the order of the ids, shape (n, 3); None without cross encoders."""
    aligned = align_rows(cross_encoder_logits, ids, "cross_encoder_logits")
    return aligned[list(LABEL_COLUMNS)].to_numpy(dtype=float) if has_values(cross_encoder_logits) else None


def _minimize_log_loss(
    logits: FloatArray, cross_encoder: FloatArray | None, votes: FloatArray
) -> dict[str, float | None]:
    def loss(point: FloatArray) -> float:
        blend = logits / np.exp(point[0]) + (0 if cross_encoder is None else point[1] * cross_encoder)
        return float(compute_losses(softmax(blend, axis=1), votes).sum() / votes.sum())

    # A temperature outside 1/5 .. 5 means that the model is broken, not that it needs calibration.
    bounds = [(-np.log(5), np.log(5)), (0, 5)][: 1 if cross_encoder is None else 2]
    point = minimize(loss, np.zeros(len(bounds)), bounds=bounds, method="Powell", tol=1e-6).x
    weight = None if cross_encoder is None else float(point[1])
    return {"temperature": float(np.exp(point[0])), "cross_encoder_weight": weight}
