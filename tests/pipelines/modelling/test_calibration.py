import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from arena_preference.battles import LABEL_COLUMNS, ORIGINAL_ORDER, SWAPPED_ORDER
from arena_preference.pipelines.modelling.calibration import calibrate_out_of_fold, fit_calibration
from arena_preference.pipelines.modelling.evaluation import evaluate_predictions
from arena_preference.targets import SOFT_LABELS

from .conftest import CONFIG, change_labels, set_votes, update


def make_oof_logits(logits: np.ndarray) -> pd.DataFrame:
    """Make out-of-fold logits in three folds, the same in both orders."""
    table = pd.DataFrame({"id": range(len(logits)), "fold": np.arange(len(logits)) % 3})
    for order in (ORIGINAL_ORDER, SWAPPED_ORDER):
        table[[f"{order}{name}" for name in LABEL_COLUMNS]] = logits
    return table


def sample_labels(logits: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    label = [rng.choice(3, p=row) for row in softmax(logits, axis=1)]
    ids = range(len(label))
    return set_votes(pd.DataFrame({"id": ids, "prompt_group": [str(number) for number in ids]}), label)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_the_temperature_of_the_logits_is_found(temperature: float, rng: np.random.Generator) -> None:
    logits = rng.normal(size=(4000, 3))
    oof_logits = make_oof_logits(logits * temperature)
    calibration = fit_calibration(oof_logits, oof_logits[["id"]], sample_labels(logits, rng), CONFIG)
    assert calibration["temperature"] == pytest.approx(temperature, rel=0.1)
    assert calibration["cross_encoder_weight"] is None
    assert set(calibration["folds"]) == {"0", "1", "2"}


def test_information_of_the_cross_encoders_alone_is_blended_in(rng: np.random.Generator) -> None:
    known, other = rng.normal(size=(2, 4000, 3))
    labels = sample_labels(known + 0.4 * other, rng)
    oof_logits = make_oof_logits(known)
    cross_encoder_logits = pd.DataFrame(other, columns=list(LABEL_COLUMNS)).assign(id=range(4000))
    shuffled = cross_encoder_logits.sample(frac=1, random_state=0)
    calibration = fit_calibration(oof_logits, shuffled, labels, CONFIG)
    assert calibration["temperature"] == pytest.approx(1, rel=0.1)
    assert calibration["cross_encoder_weight"] == pytest.approx(0.4, rel=0.15)

    predictions = labels.assign(fold=oof_logits["fold"], source="train.csv")
    final = calibrate_out_of_fold(oof_logits, shuffled, calibration)
    for prefix, values in (("", final), ("prior_", final), ("length_", final), ("cross_encoder_", softmax(other, 1))):
        predictions[[f"{prefix}{name}" for name in LABEL_COLUMNS]] = values
    summary = {"main_source": "train.csv"}
    metrics = evaluate_predictions(predictions, oof_logits, summary, {}, CONFIG, seed=0)
    value = {name: interval["value"] for name, interval in metrics["blend"].items()}
    assert value["blend"] < value["catboost"] < value["cross_encoders"]
    assert value["blend"] == metrics["log_loss"]["value"]
    assert value["difference"] == pytest.approx(value["blend"] - value["catboost"])
    assert metrics["blend"]["difference"]["high"] < 0

    # The weight cannot be negative.
    wrong = cross_encoder_logits.assign(**{name: -cross_encoder_logits[name] for name in LABEL_COLUMNS})
    assert fit_calibration(oof_logits, wrong, labels, CONFIG)["cross_encoder_weight"] == pytest.approx(0, abs=1e-4)


def test_a_fold_is_calibrated_by_the_other_folds_only(
    oof_logits: pd.DataFrame, labels: pd.DataFrame, cross_encoder_logits: pd.DataFrame
) -> None:
    changed = change_labels(labels, labels["fold"] == 1)
    before, after = (
        fit_calibration(oof_logits, cross_encoder_logits, table, CONFIG)["folds"] for table in (labels, changed)
    )
    assert after["1"] == before["1"]
    assert after["0"] != before["0"]


def test_soft_labels_find_the_temperature_exactly_and_weights_choose_the_battles(rng: np.random.Generator) -> None:
    logits = rng.normal(size=(300, 3))
    oof_logits = make_oof_logits(logits * 2)
    labels = sample_labels(logits, rng)
    labels[SOFT_LABELS] = softmax(logits, axis=1)
    assert fit_calibration(oof_logits, oof_logits[["id"]], labels, CONFIG)["temperature"] == pytest.approx(2, rel=1e-3)
    # Another half of the battles, with hardly any weight, would say 0.5.
    both = make_oof_logits(np.vstack([logits * 2, logits / 2]))
    labels = pd.concat([labels, labels.assign(weight=1e-6)], ignore_index=True).assign(id=both["id"])
    assert fit_calibration(both, both[["id"]], labels, CONFIG)["temperature"] == pytest.approx(2, rel=1e-3)


def test_a_tie_has_its_prior_where_no_battle_is_one(rng: np.random.Generator) -> None:
    logits = rng.normal(size=(300, 3))
    oof_logits = make_oof_logits(logits)
    labels = sample_labels(logits - [0, 0, 99], rng)
    calibration = fit_calibration(oof_logits, oof_logits[["id"]], labels, update(tie_prior=0.2))
    assert calibration["tie_prior"] == 0.2
    probabilities = calibrate_out_of_fold(oof_logits, oof_logits[["id"]], calibration)
    temperature = [calibration["folds"][str(fold)]["temperature"] for fold in oof_logits["fold"]]
    decided = softmax(logits[:, :2] / np.array(temperature)[:, None], axis=1)
    np.testing.assert_allclose(probabilities, np.column_stack([0.8 * decided, np.full(300, 0.2)]))
