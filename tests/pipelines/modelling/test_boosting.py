from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from catboost import CatBoost, CatBoostClassifier, CatBoostError
from scipy.special import softmax
from sklearn.metrics import log_loss

from arena_preference import device
from arena_preference.pipelines.modelling import boosting
from arena_preference.pipelines.modelling.fitting import join_tables
from arena_preference.symmetry import swap_features, swap_labels, swap_probabilities
from arena_preference.targets import read_votes

from .conftest import CONFIG, update


@pytest.mark.parametrize(
    ("task_type", "available", "battles", "chosen"),
    [
        ("auto", "cuda", 20_000, "GPU"),
        ("auto", "cuda", 19_999, "CPU"),
        ("auto", "mps", 20_000, "CPU"),
        ("auto", "cpu", 20_000, "CPU"),
        ("CPU", "cuda", 20_000, "CPU"),
        ("GPU", "cuda", 19_999, "GPU"),
    ],
)
def test_auto_uses_a_gpu_for_many_battles_and_without_rsm(
    monkeypatch: pytest.MonkeyPatch, task_type: str, available: str, battles: int, chosen: str
) -> None:
    monkeypatch.setattr(device, "select_devices", lambda _: [torch.device(available)])
    settings = boosting.choose_settings(CONFIG.catboost.model_copy(update={"task_type": task_type}), battles)
    assert settings["task_type"] == chosen
    assert ("rsm" in settings) == (chosen == "CPU")


def test_a_requested_gpu_that_fails_is_an_error_without_fallback(
    model_input: pd.DataFrame, labels: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise CatBoostError("CUDA driver version is insufficient")

    monkeypatch.setattr(boosting.CatBoostClassifier, "fit", fail)
    features, votes = model_input.drop(columns="id"), read_votes(labels)
    on_gpu = update(catboost=CONFIG.catboost.model_copy(update={"task_type": "GPU"}))
    with pytest.raises(RuntimeError, match=r"CUDA driver.*modelling\.catboost\.task_type"):
        boosting.fit_catboost(features, votes, on_gpu, seed=0)
    with pytest.raises(CatBoostError):
        boosting.fit_catboost(features, votes, CONFIG, seed=0)


def test_every_battle_is_learned_in_both_orders(model_input: pd.DataFrame, labels: pd.DataFrame) -> None:
    features, label, votes = model_input.drop(columns="id"), labels["label"].to_numpy(), read_votes(labels)
    # No training battle is won by B, so B's wins are learned from swapped battles alone.
    model = boosting.fit_catboost(features[label != 1], votes[label != 1], CONFIG, seed=0)
    original, swapped = boosting.predict_both_orders(model, features)
    assert original.shape == swapped.shape == (len(features), 3)
    np.testing.assert_allclose(boosting.predict_logits(model, features), (original + swapped) / 2)
    assert abs(original[:, 0].mean() - original[:, 1].mean()) < 0.5


def test_the_order_of_columns_is_irrelevant_and_a_missing_one_is_named(
    model_input: pd.DataFrame, oof_bow_logits: pd.DataFrame, ensemble: CatBoost
) -> None:
    features = join_tables(model_input, oof_bow_logits, "oof_bow_logits")
    logits = boosting.predict_logits(ensemble, features)
    np.testing.assert_array_equal(boosting.predict_logits(ensemble, features[features.columns[::-1]]), logits)
    with pytest.raises(ValueError, match=r"1 of the model's 7 features.*chance__pair.*pipeline modelling"):
        boosting.predict_logits(ensemble, features.drop(columns="chance__pair"))


def test_consensus_dropout_makes_models_work_without_consensus() -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 600)
    side = np.array([1, -1, 0])[label]
    features = pd.DataFrame(
        {
            "hint__diff": side + rng.normal(size=600),
            "consensus_support__diff": side + rng.normal(scale=0.1, size=600),
            "consensus_answers__pair": rng.integers(1, 9, 600),
        }
    ).astype(np.float32)
    without = features.assign(consensus_support__diff=np.float32(0), consensus_answers__pair=np.float32(0))
    losses = {}
    for dropout in (0.0, 0.3):
        model = boosting.fit_catboost(features[:400], np.eye(3)[label[:400]], update(consensus_dropout=dropout), seed=0)
        for name, table in (("with", features), ("without", without)):
            logits = boosting.predict_logits(model, table[400:])
            losses[name, dropout] = log_loss(label[400:], softmax(logits, axis=1), labels=range(3))
    assert losses["with", 0.3] < 0.2
    # Without dropout, the model predicts a tie wherever there is no consensus.
    assert losses["without", 0.0] > 1.2
    assert losses["without", 0.3] < 0.95


def make_logits(features: pd.DataFrame, label: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """Logits of CatBoost itself, without consensus dropout and with an optional weight."""
    settings = boosting.choose_settings(CONFIG.catboost, len(features))
    model = CatBoostClassifier(
        loss_function="MultiClass", random_seed=0, allow_writing_files=False, verbose=False, **settings
    )
    both = pd.concat([features, swap_features(features)], ignore_index=True)
    weights = None if weight is None else np.tile(weight, 2)
    model.fit(both, np.concatenate([label, swap_labels(label)]), sample_weight=weights)
    return model.predict(features, prediction_type="RawFormulaVal")


def test_plain_votes_are_fitted_without_weights(model_input: pd.DataFrame, labels: pd.DataFrame) -> None:
    features = model_input.drop(columns="id")
    model = boosting.fit_catboost(features, read_votes(labels), CONFIG, seed=0)
    expected = make_logits(features, labels["label"].to_numpy())
    np.testing.assert_array_equal(boosting.predict_both_orders(model, features)[0], expected)


def test_a_soft_label_is_fitted_as_weighted_votes(model_input: pd.DataFrame, labels: pd.DataFrame) -> None:
    features, votes = model_input.drop(columns="id"), read_votes(labels)
    soft = 0.7 * votes + 0.3 * swap_probabilities(votes)
    model = boosting.fit_catboost(features, soft, CONFIG, seed=0)
    rows, label = np.nonzero(soft)
    expected = make_logits(features.iloc[rows], label, soft[rows, label])
    np.testing.assert_array_equal(boosting.predict_both_orders(model, features.iloc[rows])[0], expected)


def test_without_ties_a_model_still_has_three_logits(model_input: pd.DataFrame, labels: pd.DataFrame) -> None:
    features, votes = model_input.drop(columns="id"), read_votes(labels)
    decided = votes[:, 2] == 0
    model = boosting.fit_catboost(features[decided], votes[decided], CONFIG, seed=0)
    logits = boosting.predict_logits(model, features)
    assert logits.shape == (len(features), 3)
    assert (logits.argmin(axis=1) == 2).all()
