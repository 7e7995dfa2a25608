from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
import yaml
from arena_preference.folds import assign_folds

from arena_preference.datasets import open_optuna_journal
from arena_preference.pipelines.modelling.config import ModellingConfig
from arena_preference.pipelines.modelling.nodes import fit_bow_models
from arena_preference.pipelines.tuning import create_pipeline, nodes
from arena_preference.pipelines.tuning.config import Range, TuningConfig
from arena_preference.pipelines.tuning.nodes import tune_catboost

BASE = Path(__file__).parents[3] / "conf" / "base"


@pytest.fixture
def modelling() -> ModellingConfig:
    options = yaml.safe_load((BASE / "parameters_modelling.yml").read_text())["modelling"]
    catboost = {**options["catboost"], "iterations": 20, "thread_count": 1, "task_type": "CPU"}
    return ModellingConfig(**{**options, "folds": 3, "catboost": catboost})


@pytest.fixture
def tuning() -> TuningConfig:
    options = yaml.safe_load((BASE / "parameters_tuning.yml").read_text())["tuning"]
    options["space"]["iterations"] = {"low": 5, "high": 30}
    return TuningConfig(**{**options, "trials": 3})


@pytest.fixture
def tables(model_input: pd.DataFrame, battles: pd.DataFrame, modelling: ModellingConfig) -> list[pd.DataFrame]:
    weights = list(np.random.default_rng(0).normal(size=(len(battles), 5)).astype("float32"))
    words = [np.arange(5)] * len(battles)
    differences = pd.DataFrame({"id": battles["id"], "vocabulary": np.int32(5), "words": words, "weights": weights})
    folds = assign_folds(battles, modelling.folds, seed=0)
    return [model_input, fit_bow_models(differences, battles, folds, modelling)[1], battles, folds]


@pytest.fixture
def storage(tmp_path: Path) -> Any:
    return open_optuna_journal(tmp_path / "trials.log")


def get_trials(storage: Any) -> list[optuna.trial.FrozenTrial]:
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(storage=storage, study_name=name).trials


def test_the_best_settings_come_as_parameters_that_modelling_accepts(
    tables: list[pd.DataFrame], storage: Any, modelling: ModellingConfig, tuning: TuningConfig
) -> None:
    tuned = tune_catboost(*tables, storage, modelling, tuning, seed=0)
    trials = get_trials(storage)
    assert len(trials) == 3
    best = min(trials, key=lambda trial: trial.value)
    assert tuned == {"modelling": {"catboost": best.params}}
    merged = modelling.model_dump()
    merged["catboost"] |= tuned["modelling"]["catboost"]
    ModellingConfig(**merged)


def test_the_first_trial_takes_the_current_settings(
    tables: list[pd.DataFrame], storage: Any, modelling: ModellingConfig, tuning: TuningConfig
) -> None:
    tune_catboost(*tables, storage, modelling, tuning, seed=0)
    current = modelling.catboost.model_dump()
    assert get_trials(storage)[0].params == {name: current[name] for name in tuning.space.model_dump()}


def test_current_settings_outside_of_the_space_are_not_tried(
    tables: list[pd.DataFrame], storage: Any, modelling: ModellingConfig, tuning: TuningConfig
) -> None:
    space = tuning.space.model_copy(update={"depth": Range(low=2, high=3)})
    chosen = tuning.model_copy(update={"space": space, "trials": 1})
    tuned = tune_catboost(*tables, storage, modelling, chosen, seed=0)
    assert tuned["modelling"]["catboost"]["depth"] in (2, 3)


def test_a_stopped_study_goes_on_and_a_finished_one_fits_nothing(
    tables: list[pd.DataFrame],
    storage: Any,
    modelling: ModellingConfig,
    tuning: TuningConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compute, calls = nodes.compute_oof_losses, []

    def stop_at_the_third(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return compute(*arguments)

    monkeypatch.setattr(nodes, "compute_oof_losses", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        tune_catboost(*tables, storage, modelling, tuning, seed=0)
    resumed = tune_catboost(*tables, storage, modelling, tuning, seed=0)
    assert len(calls) == 4
    monkeypatch.setattr(nodes, "compute_oof_losses", None)
    assert tune_catboost(*tables, storage, modelling, tuning, seed=0) == resumed


def test_other_battles_or_folds_begin_a_study_of_their_own(
    tables: list[pd.DataFrame], storage: Any, modelling: ModellingConfig, tuning: TuningConfig
) -> None:
    one = tuning.model_copy(update={"trials": 1})
    tune_catboost(*tables, storage, modelling, one, seed=0)
    tune_catboost(*tables, storage, modelling.model_copy(update={"ablation": True}), one, seed=0)
    assert len(optuna.get_all_study_names(storage)) == 1
    tables[3] = tables[3].assign(fold=tables[3]["fold"].to_numpy()[::-1])
    tables[1] = tables[1].assign(fold=tables[3]["fold"])
    tune_catboost(*tables, storage, modelling, one, seed=0)
    assert len(optuna.get_all_study_names(storage)) == 2


def test_ranges_run_from_low_to_high() -> None:
    with pytest.raises(ValueError, match=r"low 2\.0 is above high 1\.0"):
        Range(low=2, high=1)


def test_it_reads_a_training_run_and_writes_parameters() -> None:
    pipeline = create_pipeline()
    assert pipeline.all_outputs() == {"tuned_parameters"}
    assert {"train.model_input", "oof_bow_logits", "folds", "train.battles"} <= pipeline.inputs()
