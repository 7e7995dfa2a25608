from typing import Any

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoost
from scipy.special import softmax
from sklearn.metrics import log_loss

from arena_preference.battles import (
    LABEL_COLUMNS,
    ORIGINAL_ORDER,
    SWAPPED_ORDER,
    OutOfFoldPredictions,
    Predictions,
    count_characters,
    length_features,
)
from arena_preference.metrics import select_probabilities
from arena_preference.pipelines.modelling.boosting import predict_logits
from arena_preference.pipelines.modelling.calibration import fit_calibration
from arena_preference.pipelines.modelling.fitting import join_tables
from arena_preference.pipelines.modelling.linear_model import Arrays, predict_linear_logits
from arena_preference.pipelines.modelling.prediction import predict_out_of_fold, predict_preferences
from arena_preference.symmetry import swap_probabilities

from .conftest import CONFIG, swap_input


@pytest.fixture
def oof_predictions(
    oof_logits: pd.DataFrame,
    oof_linear_logits: pd.DataFrame,
    cross_encoder_logits: pd.DataFrame,
    labels: pd.DataFrame,
    model_input: pd.DataFrame,
) -> pd.DataFrame:
    calibration = fit_calibration(oof_logits, cross_encoder_logits, labels, CONFIG)
    # Rows are in several orders, because tables are aligned by id.
    return predict_out_of_fold(
        oof_logits, oof_linear_logits[::-1], cross_encoder_logits, calibration, labels[::-1], model_input[::-1]
    )


def test_every_model_has_a_distribution_next_to_label_and_fold(
    oof_predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    OutOfFoldPredictions.validate(oof_predictions)
    pd.testing.assert_frame_equal(oof_predictions[list(labels.columns)], labels)
    for prefix in ("", "prior_", "length_", ORIGINAL_ORDER, SWAPPED_ORDER, "linear_", "cross_encoder_"):
        np.testing.assert_allclose(select_probabilities(oof_predictions, prefix).sum(axis=1), 1)


def test_without_cross_encoders_final_logits_are_the_mean_of_both_orders(
    oof_logits: pd.DataFrame,
    oof_linear_logits: pd.DataFrame,
    no_cross_encoder: pd.DataFrame,
    labels: pd.DataFrame,
    model_input: pd.DataFrame,
) -> None:
    calibration = fit_calibration(oof_logits, no_cross_encoder, labels, CONFIG)
    table = predict_out_of_fold(oof_logits, oof_linear_logits, no_cross_encoder, calibration, labels, model_input)
    OutOfFoldPredictions.validate(table)
    assert not any(name.startswith("cross_encoder_") for name in table)
    original, swapped = (np.log(select_probabilities(table, order)) for order in (ORIGINAL_ORDER, SWAPPED_ORDER))
    assert not np.allclose(original, swapped)
    np.testing.assert_allclose(softmax((original + swapped) / 2, axis=1), select_probabilities(table), rtol=1e-9)


def test_the_length_baseline_and_the_model_beat_the_prior(oof_predictions: pd.DataFrame) -> None:
    loss = {
        prefix: log_loss(oof_predictions["label"], select_probabilities(oof_predictions, prefix))
        for prefix in ("", "prior_", "length_")
    }
    assert 0.9 < loss["prior_"] < 1.2
    assert loss["length_"] < loss["prior_"] - 0.15
    assert loss[""] < loss["prior_"] - 0.15


def test_the_length_baseline_sees_the_exact_lengths(
    oof_predictions: pd.DataFrame, battles: pd.DataFrame, labels: pd.DataFrame
) -> None:
    from sklearn.linear_model import LogisticRegression

    counts = battles[["response_a", "response_b"]].map(count_characters).to_numpy()
    rows = (labels["fold"] == 0).to_numpy()
    regression = LogisticRegression(max_iter=1000).fit(length_features(counts[~rows]), labels["label"][~rows])
    expected = regression.predict_proba(length_features(counts[rows]))
    np.testing.assert_array_equal(select_probabilities(oof_predictions, "length_")[rows], expected)


def test_swapping_sides_swaps_predictions_exactly(
    model_input: pd.DataFrame,
    cross_encoder_logits: pd.DataFrame,
    linear_model: Arrays,
    ensemble: CatBoost,
) -> None:
    swapped_logits = cross_encoder_logits.copy()
    swapped_logits[list(LABEL_COLUMNS)] = swap_probabilities(select_probabilities(cross_encoder_logits))

    def predict(*tables: pd.DataFrame) -> Any:
        calibration = {"temperature": 1.3, "cross_encoder_weight": 0.3, "tie_prior": None}
        return select_probabilities(predict_preferences(*tables, linear_model, ensemble, calibration))

    original = predict(model_input, cross_encoder_logits)
    swapped = predict(swap_input(model_input), swapped_logits)
    np.testing.assert_allclose(swapped, swap_probabilities(original), rtol=0, atol=1e-15)
    assert np.abs(original[:, 0] - original[:, 1]).max() > 0.1


@pytest.mark.parametrize("weight", [None, 0.3])
def test_predictions_are_the_softmax_of_the_logits_by_the_temperature_blended(
    model_input: pd.DataFrame,
    cross_encoder_logits: pd.DataFrame,
    no_cross_encoder: pd.DataFrame,
    linear_model: Arrays,
    ensemble: CatBoost,
    weight: float | None,
) -> None:
    linear_logits = predict_linear_logits(model_input, linear_model)
    logits = predict_logits(ensemble, join_tables(model_input, linear_logits, "linear_logits")) / 1.3
    if weight is not None:
        logits += weight * select_probabilities(cross_encoder_logits.sort_index())
    used = no_cross_encoder if weight is None else cross_encoder_logits
    calibration = {"temperature": 1.3, "cross_encoder_weight": weight, "tie_prior": None}
    predictions = predict_preferences(model_input, used, linear_model, ensemble, calibration)
    Predictions.validate(predictions)
    assert predictions["id"].tolist() == model_input["id"].tolist()
    np.testing.assert_allclose(select_probabilities(predictions), softmax(logits, axis=1), rtol=1e-12)


@pytest.mark.parametrize("weight", [None, 0.3])
def test_cross_encoders_must_be_on_or_off_as_when_the_model_was_fitted(
    model_input: pd.DataFrame,
    cross_encoder_logits: pd.DataFrame,
    no_cross_encoder: pd.DataFrame,
    linear_model: Arrays,
    ensemble: CatBoost,
    weight: float | None,
) -> None:
    other = cross_encoder_logits if weight is None else no_cross_encoder
    calibration = {"temperature": 1.3, "cross_encoder_weight": weight, "tie_prior": None}
    with pytest.raises(ValueError, match=r"finetuning\.enabled"):
        predict_preferences(model_input, other, linear_model, ensemble, calibration)
