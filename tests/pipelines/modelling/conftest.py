"""Labels and fitted models of the small battles."""

from typing import Any, Final

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoost

from arena_preference.battles import ID, LABEL_COLUMNS
from arena_preference.pipelines.modelling.config import CatBoostConfig, LinearModelConfig, ModellingConfig
from arena_preference.pipelines.modelling.fitting import fit_fold_models
from arena_preference.pipelines.modelling.linear_model import LINEAR_COLUMNS, Arrays, fit_linear_model
from arena_preference.symmetry import swap_features
from arena_preference.targets import SOFT_LABELS

CONFIG = ModellingConfig(
    linear_model=LinearModelConfig(alpha_side=1, alpha_tie=10, alpha_models=3),
    catboost=CatBoostConfig(
        iterations=60,
        learning_rate=0.1,
        depth=3,
        l2_leaf_reg=3,
        rsm=1,
        border_count=64,
        thread_count=1,
        task_type="CPU",
    ),
    tie_prior=0.0,
    shrinkage=0,
    consensus_dropout=0.2,
    seeds_per_fold=1,
    train_sizes=(0.5, 1.0),
    ablation=True,
    n_bins=10,
    n_resamples=50,
)
#: The small battles come from one file.
SUMMARY: Final = {"main_source": "train.csv", "sources": []}


def update(**changes: Any) -> ModellingConfig:
    return CONFIG.model_copy(update=changes)


def swap_input(model_input: pd.DataFrame) -> pd.DataFrame:
    """The features of the same battles with their responses swapped."""
    return pd.concat([model_input[[ID]], swap_features(model_input.drop(columns=ID))], axis=1)


def without_linear_logits(features: pd.DataFrame) -> pd.DataFrame:
    """Features of battles about which the linear model says nothing."""
    return features.drop(columns=ID, errors="ignore").assign(**dict.fromkeys(LINEAR_COLUMNS, np.float32(0)))


def change_labels(labels: pd.DataFrame, rows: Any) -> pd.DataFrame:
    """Give some battles another label."""
    return set_votes(labels, np.where(rows, (labels["label"] + 1) % 3, labels["label"]))


def set_votes(labels: pd.DataFrame, label: Any) -> pd.DataFrame:
    """Give all battles plain votes."""
    votes = dict(zip(SOFT_LABELS, np.eye(3)[label].T, strict=True))
    return labels.assign(label=np.asarray(label, dtype="int8"), **votes, weight=1.0)


@pytest.fixture
def no_cross_encoder(battles: pd.DataFrame) -> pd.DataFrame:
    return battles[["id"]]


@pytest.fixture
def cross_encoder_logits(battles: pd.DataFrame) -> pd.DataFrame:
    """Weakly informative logits, in another order of rows."""
    logits = np.random.default_rng(4).normal(size=(len(battles), 3)) + 0.5 * np.eye(3)[battles["label"]]
    table = pd.DataFrame(logits.astype("float32"), columns=list(LABEL_COLUMNS))
    return table.assign(id=battles["id"].to_numpy()).sample(frac=1, random_state=0)


@pytest.fixture
def linear(model_input: pd.DataFrame, labels: pd.DataFrame) -> tuple[Arrays, pd.DataFrame]:
    return fit_linear_model(model_input, labels, SUMMARY, CONFIG)


@pytest.fixture
def linear_model(linear: tuple[Arrays, pd.DataFrame]) -> Arrays:
    return linear[0]


@pytest.fixture
def oof_linear_logits(linear: tuple[Arrays, pd.DataFrame]) -> pd.DataFrame:
    return linear[1]


@pytest.fixture
def fitted(
    model_input: pd.DataFrame, oof_linear_logits: pd.DataFrame, labels: pd.DataFrame
) -> tuple[CatBoost, pd.DataFrame]:
    return fit_fold_models(model_input, oof_linear_logits, labels, CONFIG, seed=0)


@pytest.fixture
def ensemble(fitted: tuple[CatBoost, pd.DataFrame]) -> CatBoost:
    return fitted[0]


@pytest.fixture
def oof_logits(fitted: tuple[CatBoost, pd.DataFrame]) -> pd.DataFrame:
    return fitted[1]
