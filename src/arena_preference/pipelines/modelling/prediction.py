"""Prediction: final probabilities of training battles, out of fold, and of new ones."""

from typing import Any

import numpy as np
import pandas as pd
from catboost import CatBoost
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from arena_preference.battles import (
    ID,
    LABEL_COLUMNS,
    ORIGINAL_ORDER,
    SWAPPED_ORDER,
    FloatArray,
    align_rows,
    length_features,
)
from arena_preference.metrics import select_probabilities
from arena_preference.targets import list_examples, read_votes

from .boosting import predict_logits, read_linear_logits
from .calibration import calibrate_out_of_fold, read_logits, select_fold_values, set_tie_prior
from .fitting import join_tables
from .linear_model import LINEAR_COLUMNS, Arrays, predict_linear_logits


def predict_out_of_fold(
    oof_logits: pd.DataFrame,
    oof_linear_logits: pd.DataFrame,
    cross_encoder_logits: pd.DataFrame,
    calibration: dict[str, Any],
    labels: pd.DataFrame,
    model_input: pd.DataFrame,
) -> pd.DataFrame:
    """Out-of-fold probabilities: final, of the baselines and of the base models.

    Returns:
        Schema ``OutOfFoldPredictions``. ``catboost_original_order_`` and ``catboost_swapped_order_`` are single passes;
        in both, A is the side called A in the battle.
    """
    ids, fold = oof_logits[ID], oof_logits["fold"]
    aligned = align_rows(labels, ids, "labels")
    votes = read_votes(aligned)
    final = calibrate_out_of_fold(oof_logits, cross_encoder_logits, calibration)
    lengths = _compute_length_features(align_rows(model_input, ids, "train_model_input"))
    probabilities = {"": final, "prior_": np.empty_like(final), "length_": np.zeros_like(final)}
    for number in np.unique(fold):
        held_out = (fold == number).to_numpy()
        others = votes[~held_out]
        probabilities["prior_"][held_out] = others.sum(axis=0) / others.sum()
        rows, label, weights = list_examples(others)
        regression = LogisticRegression(max_iter=1000).fit(lengths[~held_out][rows], label, weights)
        probabilities["length_"][np.ix_(held_out, regression.classes_)] = regression.predict_proba(lengths[held_out])
    temperature = select_fold_values(calibration, "temperature", fold)
    for order in (ORIGINAL_ORDER, SWAPPED_ORDER):
        probabilities[order] = softmax(select_probabilities(oof_logits, order) / temperature, axis=1)
    linear_logits = align_rows(oof_linear_logits, ids, "oof_linear_logits")[list(LINEAR_COLUMNS)]
    probabilities["linear_"] = softmax(read_linear_logits(linear_logits), axis=1)
    cross_encoder = read_logits(cross_encoder_logits, ids)
    if cross_encoder is not None:
        probabilities["cross_encoder_"] = softmax(cross_encoder, axis=1)
    tables = [
        pd.DataFrame(
            set_tie_prior(values, calibration["tie_prior"]), columns=[f"{prefix}{name}" for name in LABEL_COLUMNS]
        )
        for prefix, values in probabilities.items()
    ]
    return pd.concat([aligned, *tables], axis=1)


def predict_preferences(
    model_input: pd.DataFrame,
    cross_encoder_logits: pd.DataFrame,
    linear_model: Arrays,
    preference_model: CatBoost,
    calibration: dict[str, Any],
) -> pd.DataFrame:
    """Return probabilities of new battles, schema ``Predictions``, in the order of ``model_input``.

    A swap of the sides exchanges them exactly.

    Raises:
        ValueError: If the tables describe different battles, or cross encoders were on when the model was fitted and
            are off now, or the other way round.
    """
    weight = calibration["cross_encoder_weight"]
    cross_encoder = read_logits(cross_encoder_logits, model_input[ID])
    if (weight is None) != (cross_encoder is None):
        fitted, now = ("without", "with") if weight is None else ("with", "without")
        raise ValueError(
            f"preference_model was fitted {fitted} cross encoders and this run is {now} them. Set finetuning.enabled "
            "as it was when the model was fitted, or run the pipeline modelling again."
        )
    logits = predict_logits(
        preference_model, join_tables(model_input, predict_linear_logits(model_input, linear_model), "linear_logits")
    )
    logits /= calibration["temperature"]
    if cross_encoder is not None:
        logits += weight * cross_encoder
    probabilities = set_tie_prior(softmax(logits, axis=1), calibration["tie_prior"])
    predictions = pd.DataFrame(probabilities, columns=list(LABEL_COLUMNS))
    predictions.insert(0, ID, model_input[ID].to_numpy())
    return predictions


def _compute_length_features(model_input: pd.DataFrame) -> FloatArray:
    """Return length features, shape (n, 2), from a + b and (a - b) / (a + b) of the character counts a and b."""
    total, difference = (model_input[f"characters__{form}"].to_numpy(dtype=float) for form in ("sum", "reldiff"))
    # The float32 features are precise enough for the exact counts.
    return length_features(np.rint(np.column_stack([1 + difference, 1 - difference]) * total[:, None] / 2))
