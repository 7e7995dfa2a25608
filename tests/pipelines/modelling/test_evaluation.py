from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.metrics import log_loss

from arena_preference.battles import LABEL_COLUMNS
from arena_preference.pipelines.modelling.calibration import fit_calibration
from arena_preference.pipelines.modelling.evaluation import (
    evaluate_predictions,
    find_bayes_optimal_log_loss,
    measure_ablation,
    measure_learning_curve,
)
from arena_preference.pipelines.modelling.fitting import compute_oof_losses
from arena_preference.pipelines.modelling.linear_model import fit_linear_model, fit_on_votes, predict_linear_logits
from arena_preference.pipelines.modelling.prediction import predict_out_of_fold

from .conftest import CONFIG, SUMMARY, set_votes, update

GROUPS = {
    "text": ["characters__reldiff", "characters__sum"],
    "chance": ["chance__diff", "chance__pair", "chance__prompt"],
}


def make_predictions(label: list[int], probabilities: list[list[float]]) -> pd.DataFrame:
    ids = range(len(label))
    groups = [str(number) for number in ids]
    table = set_votes(pd.DataFrame({"id": ids, "source": "train.csv", "fold": 0, "prompt_group": groups}), label)
    for prefix in ("", "prior_", "length_"):
        table[[f"{prefix}{name}" for name in LABEL_COLUMNS]] = probabilities
    return table


@pytest.fixture
def calibrated(rng: np.random.Generator) -> pd.DataFrame:
    """400 battles whose labels are drawn from the predicted probabilities."""
    probabilities = softmax(rng.normal(size=(400, 3)), axis=1)
    return make_predictions([int(rng.choice(3, p=row)) for row in probabilities], probabilities.tolist())


def summarise(battles: int, rejected: int = 0) -> dict[str, Any]:
    """A summary of two files, of which train.csv is the main source."""
    sources = [("other.csv", 7, {}), ("train.csv", battles, {"winner is missing": rejected})]
    return {
        "main_source": "train.csv",
        "sources": [dict(zip(("source", "battles", "rejected"), source, strict=True)) for source in sources],
    }


def evaluate(predictions: pd.DataFrame, simulation_summary: dict[str, Any] | None = None) -> dict[str, Any]:
    summary = summarise(len(predictions))
    return evaluate_predictions(predictions, pd.DataFrame(), summary, simulation_summary or {}, CONFIG, seed=0)


def test_metrics_equal_those_of_scikit_learn_and_are_within_their_intervals(calibrated: pd.DataFrame) -> None:
    metrics = evaluate(calibrated)
    label, probabilities = calibrated["label"], calibrated[list(LABEL_COLUMNS)].to_numpy()
    assert metrics["log_loss"]["value"] == pytest.approx(log_loss(label, probabilities))
    assert metrics["accuracy"]["value"] == pytest.approx((probabilities.argmax(axis=1) == label).mean())
    assert [metrics.pop(name) for name in ("source", "battles", "folds")] == ["train.csv", 400, 1]
    for interval in metrics.values():
        assert interval["low"] < interval["value"] < interval["high"]


def test_the_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    metrics = evaluate(make_predictions([0, 1] * 50, [[0.95, 0.03, 0.02]] * 100))
    assert metrics["expected_calibration_error"]["value"] == pytest.approx(0.45)


def test_metrics_are_of_the_main_source_alone(calibrated: pd.DataFrame) -> None:
    calibrated.loc[100:, "source"] = "other.csv"
    assert evaluate(calibrated) == evaluate(calibrated[:100])
    assert evaluate(calibrated)["battles"] == 100


def test_the_blend_is_of_the_main_source_alone(
    model_input: pd.DataFrame,
    oof_linear_logits: pd.DataFrame,
    oof_logits: pd.DataFrame,
    cross_encoder_logits: pd.DataFrame,
    labels: pd.DataFrame,
) -> None:
    calibration = fit_calibration(oof_logits, cross_encoder_logits, labels, CONFIG)
    labels.loc[80:, "source"] = "other.csv"
    predictions = predict_out_of_fold(
        oof_logits, oof_linear_logits, cross_encoder_logits, calibration, labels, model_input
    )
    metrics = evaluate_predictions(predictions, oof_logits, summarise(80), {}, CONFIG, seed=0)
    assert metrics["blend"]["blend"] == metrics["log_loss"]
    own = fit_calibration(oof_logits, labels[["id"]], labels, CONFIG)
    catboost = predict_out_of_fold(oof_logits, oof_linear_logits, labels[["id"]], own, labels, model_input)
    expected = log_loss(labels["label"][:80], catboost[list(LABEL_COLUMNS)][:80], labels=[0, 1, 2])
    assert metrics["blend"]["catboost"]["value"] == pytest.approx(expected)


def test_simulated_battles_have_their_bayes_optimal_log_loss(calibrated: pd.DataFrame) -> None:
    simulation_summary = {"train": {"battles": 400, "bayes_optimal_log_loss": 0.9}}
    assert evaluate(calibrated, simulation_summary)["bayes_optimal_log_loss"] == 0.9
    assert "bayes_optimal_log_loss" not in evaluate(calibrated)


@pytest.mark.parametrize(("simulated", "expected"), [(1000, 0.9), (998, None), (1001, None)])
def test_the_bayes_optimal_log_loss_is_that_of_all_simulated_battles_alone(
    simulated: int, expected: float | None
) -> None:
    simulation_summary = {"train": {"battles": simulated, "bayes_optimal_log_loss": 0.9}}
    assert find_bayes_optimal_log_loss(summarise(998, rejected=2), simulation_summary) == expected
    assert find_bayes_optimal_log_loss(summarise(998, rejected=2), {}) is None


def test_without_cross_encoders_there_is_no_blend(calibrated: pd.DataFrame) -> None:
    assert "blend" not in evaluate(calibrated)


def test_oof_losses_agree_with_the_metrics(
    model_input: pd.DataFrame,
    oof_linear_logits: pd.DataFrame,
    oof_logits: pd.DataFrame,
    no_cross_encoder: pd.DataFrame,
    labels: pd.DataFrame,
) -> None:
    losses = compute_oof_losses(model_input, oof_linear_logits, labels, update(seeds_per_fold=2), seed=0)
    calibration = fit_calibration(oof_logits, no_cross_encoder, labels, CONFIG)
    predictions = predict_out_of_fold(oof_logits, oof_linear_logits, no_cross_encoder, calibration, labels, model_input)
    metrics = evaluate_predictions(predictions, oof_logits, summarise(len(labels)), {}, CONFIG, seed=0)
    assert losses.mean() == pytest.approx(metrics["log_loss"]["value"])


def test_an_ablation_finds_the_group_that_decides_and_not_noise(
    model_input: pd.DataFrame, oof_linear_logits: pd.DataFrame, labels: pd.DataFrame
) -> None:
    table = measure_ablation(model_input, GROUPS, labels, SUMMARY, CONFIG, seed=0)
    by_group = table.set_index("left_out")
    assert list(by_group.index) == list(GROUPS)
    assert by_group["features"].tolist() == [2, 3]
    assert by_group.loc["text", "low"] > 0.05
    assert by_group.loc["chance", "difference"] < 0.02
    assert table["difference"].between(table["low"], table["high"]).all()
    with_all = compute_oof_losses(model_input, oof_linear_logits, labels, CONFIG, seed=0).mean()
    np.testing.assert_allclose(table["log_loss"] - table["difference"], with_all)


def test_an_ablation_leaves_a_group_out_of_the_linear_model_too(
    model_input: pd.DataFrame, labels: pd.DataFrame
) -> None:
    table = measure_ablation(model_input, {"text": GROUPS["text"]}, labels, SUMMARY, CONFIG, seed=0)
    others = model_input.drop(columns=GROUPS["text"])
    linear_logits = fit_linear_model(others, labels, SUMMARY, CONFIG)[1]
    expected = compute_oof_losses(others, linear_logits, labels, CONFIG, seed=0).mean()
    assert table["log_loss"].item() == pytest.approx(expected)


def test_an_ablation_that_is_off_fits_nothing(model_input: pd.DataFrame, labels: pd.DataFrame) -> None:
    table = measure_ablation(model_input[:0], GROUPS, labels, SUMMARY, update(ablation=False), seed=0)
    assert len(table) == 0
    assert table.columns.tolist() == ["left_out", "features", "log_loss", "difference", "low", "high"]


def test_log_loss_falls_with_the_number_of_battles(model_input: pd.DataFrame, labels: pd.DataFrame) -> None:
    curve = measure_learning_curve(model_input, labels, update(train_sizes=(0.05, 1.0)), seed=0)
    assert curve["battles"].iloc[1] == pytest.approx(len(labels) * 2 / 3)
    assert curve["battles"].iloc[0] < 30
    assert curve["log_loss"].iloc[1] < curve["log_loss"].iloc[0] - 0.05
    assert (curve["low"] < curve["log_loss"]).all()
    assert (curve["log_loss"] < curve["high"]).all()


def test_the_learning_curve_ends_with_the_linear_model_of_all_other_folds(
    model_input: pd.DataFrame, labels: pd.DataFrame
) -> None:
    losses = []
    for fold in range(3):
        held_out = labels["fold"] == fold
        model = fit_on_votes(model_input[~held_out], labels[~held_out], CONFIG)
        logits = predict_linear_logits(model_input[held_out], model)
        margin, tie = logits["linear_side__diff"], logits["linear_tie__pair"]
        probabilities = softmax(np.column_stack([margin / 2, -margin / 2, tie]).astype(float), axis=1)
        losses.append(log_loss(labels["label"][held_out], probabilities))
    curve = measure_learning_curve(model_input, labels, update(train_sizes=(0.5, 1.0)), seed=0)
    assert curve["log_loss"].iloc[-1] == pytest.approx(
        np.average(losses, weights=labels["fold"].value_counts()[range(3)])
    )
    no_trees = update(train_sizes=(0.5, 1.0), catboost=CONFIG.catboost.model_copy(update={"iterations": 1}))
    pd.testing.assert_frame_equal(measure_learning_curve(model_input, labels, no_trees, seed=0), curve)


def test_without_train_sizes_the_learning_curve_is_empty(model_input: pd.DataFrame, labels: pd.DataFrame) -> None:
    curve = measure_learning_curve(model_input, labels, update(train_sizes=()), seed=0)
    assert curve.columns.tolist() == ["battles", "log_loss", "low", "high"]
    assert len(curve) == 0
