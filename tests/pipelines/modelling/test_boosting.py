from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from catboost import CatBoostError
from scipy.special import softmax
from sklearn.metrics import log_loss

from arena_preference import device
from arena_preference.pipelines.modelling import boosting
from arena_preference.pipelines.modelling.config import ModellingConfig

from .conftest import OPTIONS


class RecordedClassifier:
    """Stands in for CatBoost's on a machine without a GPU."""

    settings: dict[str, Any]

    def __init__(self, **settings: Any) -> None:
        type(self).settings = settings

    def fit(self, pool: Any) -> "RecordedClassifier":
        return self


def take_on(task_type: str) -> ModellingConfig:
    return OPTIONS.model_copy(update={"catboost": OPTIONS.catboost.model_copy(update={"task_type": task_type})})


@pytest.mark.parametrize(
    ("requested", "there", "fewest", "taken"),
    [
        ("auto", "cuda", 240, "GPU"),
        ("auto", "cuda", 241, "CPU"),
        ("auto", "mps", 240, "CPU"),
        ("auto", "cpu", 240, "CPU"),
        ("CPU", "cuda", 240, "CPU"),
        ("GPU", "cuda", 241, "GPU"),
    ],
)
def test_a_gpu_is_taken_for_many_battles_where_there_is_one_and_without_what_it_cannot_do(
    model_input: pd.DataFrame,
    battles: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    requested: str,
    there: str,
    fewest: int,
    taken: str,
) -> None:
    monkeypatch.setattr(boosting, "_FEWEST_FOR_GPU", fewest)
    monkeypatch.setattr(device, "select_devices", lambda _: [torch.device(there)])
    monkeypatch.setattr(boosting, "CatBoostClassifier", RecordedClassifier)
    options = take_on(requested)
    boosting.fit_catboost(model_input.drop(columns="id"), battles["label"].to_numpy(), options, seed=7)
    settings = RecordedClassifier.settings
    assert settings["task_type"] == taken
    assert ("rsm" in settings) == (taken == "CPU")
    assert settings["random_seed"] == 7


def test_a_gpu_that_was_asked_for_and_does_not_work_is_an_error_and_no_fall_back(
    model_input: pd.DataFrame, battles: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise CatBoostError("CUDA driver version is insufficient")

    monkeypatch.setattr(boosting.CatBoostClassifier, "fit", fail)
    features, labels = model_input.drop(columns="id"), battles["label"].to_numpy()
    with pytest.raises(RuntimeError, match=r"on a GPU and could not \(CUDA driver.* set modelling.catboost.task_type"):
        boosting.fit_catboost(features, labels, take_on("GPU"), seed=0)
    with pytest.raises(CatBoostError):
        boosting.fit_catboost(features, labels, OPTIONS, seed=0)


def test_every_battle_is_learned_in_both_orders(model_input: pd.DataFrame, battles: pd.DataFrame) -> None:
    features = model_input.drop(columns="id")
    # All battles but one verdict: what is never seen in one order is seen in the other.
    won = battles["label"] != 1
    model = boosting.fit_catboost(features[won], battles["label"].to_numpy()[won], OPTIONS, seed=0)
    in_order, swapped = boosting.predict_both_orders(model, features)
    assert in_order.shape == swapped.shape == (len(features), 3)
    np.testing.assert_allclose(boosting.predict_logits(model, features), (in_order + swapped) / 2)
    assert abs(in_order[:, 0].mean() - in_order[:, 1].mean()) < 0.5


def test_a_model_that_saw_battles_without_other_answers_can_do_without() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600)
    side = np.array([1, -1, 0])[labels]
    features = pd.DataFrame(
        {
            "hint__diff": side + rng.normal(size=600),
            "consensus_support__diff": side + rng.normal(scale=0.1, size=600),
            "consensus_answers__pair": rng.integers(1, 9, 600),
        }
    ).astype(np.float32)
    lone = features.assign(consensus_support__diff=np.float32(0), consensus_answers__pair=np.float32(0))
    losses = {}
    for share in (0.0, 0.3):
        options = OPTIONS.model_copy(update={"consensus_dropout": share})
        model = boosting.fit_catboost(features[:400], labels[:400], options, seed=0)
        for name, table in (("others", features), ("lone", lone)):
            logits = boosting.predict_logits(model, table[400:])
            losses[name, share] = log_loss(labels[400:], softmax(logits, axis=1), labels=range(3))
    assert losses["others", 0.3] < 0.2
    # A model that has always had other answers calls every lone battle a tie.
    assert losses["lone", 0.0] > 1.2
    assert losses["lone", 0.3] < 0.95
