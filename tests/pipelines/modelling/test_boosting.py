from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from catboost import CatBoostError

from arena_preference import device
from arena_preference.pipelines.modelling import boosting

from .conftest import OPTIONS


class RecordedClassifier:
    """Stands in for CatBoost's on a machine without a GPU."""

    settings: dict[str, Any]

    def __init__(self, **settings: Any) -> None:
        type(self).settings = settings

    def fit(self, pool: Any) -> "RecordedClassifier":
        return self


@pytest.mark.parametrize(
    ("requested", "there", "taken"),
    [("auto", "cuda", "GPU"), ("auto", "mps", "CPU"), ("auto", "cpu", "CPU"), ("CPU", "cuda", "CPU")],
)
def test_a_gpu_is_taken_where_there_is_one_and_without_what_it_cannot_do(
    model_input: pd.DataFrame,
    battles: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    requested: str,
    there: str,
    taken: str,
) -> None:
    monkeypatch.setattr(device, "select_devices", lambda _: [torch.device(there)])
    monkeypatch.setattr(boosting, "CatBoostClassifier", RecordedClassifier)
    options = OPTIONS.catboost.model_copy(update={"task_type": requested})
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
    options = OPTIONS.catboost.model_copy(update={"task_type": "GPU"})
    with pytest.raises(RuntimeError, match=r"on a GPU and could not \(CUDA driver.* set modelling.catboost.task_type"):
        boosting.fit_catboost(features, labels, options, seed=0)
    with pytest.raises(CatBoostError):
        boosting.fit_catboost(features, labels, OPTIONS.catboost, seed=0)


def test_every_battle_is_learned_in_both_orders(model_input: pd.DataFrame, battles: pd.DataFrame) -> None:
    features = model_input.drop(columns="id")
    # All battles but one verdict: what is never seen in one order is seen in the other.
    won = battles["label"] != 1
    model = boosting.fit_catboost(features[won], battles["label"].to_numpy()[won], OPTIONS.catboost, seed=0)
    in_order, swapped = boosting.predict_both_orders(model, features)
    assert in_order.shape == swapped.shape == (len(features), 3)
    np.testing.assert_allclose(boosting.predict_logits(model, features), (in_order + swapped) / 2)
    assert abs(in_order[:, 0].mean() - in_order[:, 1].mean()) < 0.5
