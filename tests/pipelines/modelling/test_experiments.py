import numpy as np
import pandas as pd
import pytest

from arena_preference.pipelines.modelling.experiments import (
    compute_oof_losses,
    measure_ablation,
    measure_learning_curve,
)
from arena_preference.pipelines.modelling.nodes import (
    evaluate_predictions,
    fit_baselines,
    fit_bow_models,
    fit_calibration,
    fit_fold_models,
    predict_out_of_fold,
)

from .conftest import OPTIONS, make_differences

FAMILIES = {
    "text": ["characters__share", "characters__sum"],
    "chance": ["chance__diff", "chance__pair", "chance__prompt"],
    "bag-of-words model": ["bow_side__diff", "bow_tie__pair"],
}


def test_losses_are_those_that_the_metrics_report(
    model_input: pd.DataFrame, oof_bow_logits: pd.DataFrame, battles: pd.DataFrame, folds: pd.DataFrame
) -> None:
    losses = compute_oof_losses(model_input, oof_bow_logits, battles, folds, OPTIONS, seed=0)
    scores = fit_fold_models(model_input, oof_bow_logits, battles, folds, OPTIONS, seed=0)[1]
    none = battles[["id"]]
    calibration = fit_calibration(scores, none, battles)
    predictions = predict_out_of_fold(scores, none, calibration, battles, fit_baselines(battles, folds))
    metrics = evaluate_predictions(predictions, OPTIONS, seed=0)
    assert losses.mean() == pytest.approx(metrics["log_loss"]["value"])


def test_a_family_that_decides_is_missed_and_one_of_chance_is_not(
    model_input: pd.DataFrame, oof_bow_logits: pd.DataFrame, battles: pd.DataFrame, folds: pd.DataFrame
) -> None:
    table = measure_ablation(model_input, oof_bow_logits, FAMILIES, battles, folds, OPTIONS, seed=0)
    by_family = table.set_index("left_out")
    assert list(by_family.index) == list(FAMILIES)
    assert by_family.loc["text", "low"] > 0.05
    assert by_family.loc["chance", "difference"] < 0.02
    assert (table["low"] <= table["difference"]).all()
    assert (table["difference"] <= table["high"]).all()
    with_all = compute_oof_losses(model_input, oof_bow_logits, battles, folds, OPTIONS, seed=0).mean()
    np.testing.assert_allclose(table["log_loss"] - table["difference"], with_all)


def test_a_telling_word_model_is_missed(model_input: pd.DataFrame, battles: pd.DataFrame, folds: pd.DataFrame) -> None:
    telling = fit_bow_models(make_differences(battles, telling=True), battles, folds, OPTIONS)[1]
    table = measure_ablation(model_input, telling, FAMILIES, battles, folds, OPTIONS, seed=0).set_index("left_out")
    assert table.loc["bag-of-words model", "low"] > 0.1


def test_an_ablation_that_is_switched_off_fits_nothing(
    model_input: pd.DataFrame, oof_bow_logits: pd.DataFrame, battles: pd.DataFrame, folds: pd.DataFrame
) -> None:
    off = OPTIONS.model_copy(update={"ablation": False})
    table = measure_ablation(model_input[:0], oof_bow_logits, FAMILIES, battles, folds, off, seed=0)
    assert len(table) == 0
    assert table.columns.tolist() == ["left_out", "features", "log_loss", "difference", "low", "high"]


def test_more_battles_teach_more(model_input: pd.DataFrame, battles: pd.DataFrame, folds: pd.DataFrame) -> None:
    options = OPTIONS.model_copy(update={"learning_curve": (0.05, 1.0)})
    curve = measure_learning_curve(model_input, battles, folds, options, seed=0)
    assert curve["battles"].iloc[1] == pytest.approx(len(battles) * 2 / 3)
    assert curve["battles"].iloc[0] < 30
    assert curve["log_loss"].iloc[1] < curve["log_loss"].iloc[0] - 0.05
    assert (curve["low"] < curve["log_loss"]).all()
    assert (curve["log_loss"] < curve["high"]).all()


def test_no_shares_give_no_learning_curve(
    model_input: pd.DataFrame, battles: pd.DataFrame, folds: pd.DataFrame
) -> None:
    options = OPTIONS.model_copy(update={"learning_curve": ()})
    curve = measure_learning_curve(model_input, battles, folds, options, seed=0)
    assert curve.columns.tolist() == ["battles", "log_loss", "low", "high"]
    assert len(curve) == 0
