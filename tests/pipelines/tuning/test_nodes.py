from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from arena_preference.datasets import open_optuna_journal
from arena_preference.pipelines.modelling.config import CatBoostConfig, LinearModelConfig, ModellingConfig
from arena_preference.pipelines.modelling.linear_model import LINEAR_COLUMNS
from arena_preference.pipelines.tuning import nodes
from arena_preference.pipelines.tuning.config import Range, TuningConfig
from arena_preference.pipelines.tuning.nodes import tune_catboost

MODELLING = ModellingConfig(
    linear_model=LinearModelConfig(alpha_side=1, alpha_tie=10, alpha_models=3),
    catboost=CatBoostConfig(
        iterations=20,
        learning_rate=0.06,
        depth=5,
        l2_leaf_reg=8,
        rsm=0.06,
        border_count=64,
        thread_count=1,
        task_type="CPU",
    ),
    tie_prior=0.0,
    shrinkage=0,
    consensus_dropout=0.2,
    seeds_per_fold=8,
    train_sizes=(),
    ablation=False,
    n_bins=15,
    n_resamples=100,
)
TUNING = TuningConfig(
    trials=3,
    seed=0,
    space={
        "iterations": Range(low=5, high=30),
        "learning_rate": Range(low=0.02, high=0.15, log=True),
        "depth": Range(low=3, high=7),
        "l2_leaf_reg": Range(low=1, high=50, log=True),
        "rsm": Range(low=0.02, high=0.3, log=True),
    },
)


@pytest.fixture
def tables(model_input: pd.DataFrame, labels: pd.DataFrame) -> list[pd.DataFrame]:
    """Features, logits of a linear model that say nothing, and labels."""
    columns = [f"{name}_{fold}" for fold in range(3) for name in LINEAR_COLUMNS]
    return [model_input, labels[["id", "fold"]].assign(**dict.fromkeys(columns, np.float32(0))), labels]


@pytest.fixture
def storage(tmp_path: Path) -> Any:
    return open_optuna_journal(tmp_path / "trials.log")


def get_trials(storage: Any) -> list[optuna.trial.FrozenTrial]:
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(storage=storage, study_name=name).trials


def test_the_first_trial_uses_the_current_parameters_and_the_best_are_returned(
    tables: list[pd.DataFrame], storage: Any
) -> None:
    tuned = tune_catboost(*tables, storage, MODELLING, TUNING)
    trials = get_trials(storage)
    assert len(trials) == 3
    assert trials[0].params == {name: getattr(MODELLING.catboost, name) for name in TUNING.space}
    best = min(trials, key=lambda trial: trial.value)
    assert tuned == {"modelling": {"catboost": best.params}}
    merged = MODELLING.model_dump()
    merged["catboost"] |= tuned["modelling"]["catboost"]
    ModellingConfig(**merged)


def test_current_parameters_outside_the_search_space_are_not_tried(tables: list[pd.DataFrame], storage: Any) -> None:
    narrow = TUNING.model_copy(update={"trials": 1, "space": {"depth": Range(low=2, high=3)}})
    tuned = tune_catboost(*tables, storage, MODELLING, narrow)
    assert tuned["modelling"]["catboost"].keys() == {"depth"}
    assert tuned["modelling"]["catboost"]["depth"] in (2, 3)


def test_a_stopped_study_resumes_and_a_complete_one_fits_nothing(
    tables: list[pd.DataFrame], storage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute, calls = nodes.compute_oof_losses, []

    def stop_at_the_third(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return compute(*arguments)

    monkeypatch.setattr(nodes, "compute_oof_losses", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        tune_catboost(*tables, storage, MODELLING, TUNING)
    resumed = tune_catboost(*tables, storage, MODELLING, TUNING)
    assert len(calls) == 4
    assert tune_catboost(*tables, storage, MODELLING, TUNING) == resumed
    assert len(calls) == 4


def test_only_what_changes_a_trial_starts_another_study(tables: list[pd.DataFrame], storage: Any) -> None:
    one = TUNING.model_copy(update={"trials": 1})
    tuned = MODELLING.catboost.model_copy(update={"depth": 4})
    for same in ({}, {"ablation": True}, {"seeds_per_fold": 1}, {"catboost": tuned}):
        tune_catboost(*tables, storage, MODELLING.model_copy(update=same), one)
        assert len(optuna.get_all_study_names(storage)) == 1
    tune_catboost(*tables, storage, MODELLING.model_copy(update={"consensus_dropout": 0.0}), one)
    assert len(optuna.get_all_study_names(storage)) == 2
    tables[2] = tables[2].assign(fold=tables[2]["fold"].to_numpy()[::-1])
    tune_catboost(*tables, storage, MODELLING, one)
    assert len(optuna.get_all_study_names(storage)) == 3


def test_a_range_whose_low_is_above_its_high_is_rejected(tables: list[pd.DataFrame], storage: Any) -> None:
    wrong = TUNING.model_copy(update={"space": {"rsm": Range(low=0.3, high=0.02)}})
    with pytest.raises(ValueError, match=r"low.*high"):
        tune_catboost(*tables, storage, MODELLING, wrong)
