"""Labels, TF-IDF differences and fitted models of the small battles."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoost

from arena_preference.battles import LABEL_COLUMNS, TfidfDifferences
from arena_preference.pipelines.modelling.bag_of_words import Arrays, fit_bow_model
from arena_preference.pipelines.modelling.config import BagOfWordsConfig, CatBoostConfig, ModellingConfig
from arena_preference.pipelines.modelling.fitting import fit_fold_models
from arena_preference.targets import SOFT_LABELS

CONFIG = ModellingConfig(
    bow_model=BagOfWordsConfig(C_side=1, C_tie=0.1, max_iter=100),
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
    consensus_dropout=0.2,
    seeds_per_fold=1,
    train_sizes=(0.5, 1.0),
    learning_curve_iterations=60,
    ablation=True,
    n_bins=10,
    n_resamples=50,
)


def update(**changes: Any) -> ModellingConfig:
    return CONFIG.model_copy(update=changes)


def make_differences(label: pd.Series, ids: pd.Series, informative: bool = False) -> pd.DataFrame:
    """Make differences of 20 words; if informative, the winner uses the first word more."""
    values = np.random.default_rng(3).normal(size=(len(label), 20)).astype("float32")
    values[np.abs(values) < 1] = 0
    if informative:
        values[:, 0] += 3 * label.map({0: 1, 1: -1, 2: 0}).to_numpy()
    words = [np.flatnonzero(row).astype("int32") for row in values]
    weights = [row[indices] for row, indices in zip(values, words, strict=True)]
    table = pd.DataFrame({"id": ids, "vocabulary": np.int32(20), "words": words, "weights": weights})
    return TfidfDifferences.validate(table)


def swap_differences(differences: pd.DataFrame) -> pd.DataFrame:
    return differences.assign(weights=[-weights for weights in differences["weights"]])


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
def tfidf_differences(labels: pd.DataFrame) -> pd.DataFrame:
    return make_differences(labels["label"], labels["id"])


@pytest.fixture
def bow(tfidf_differences: pd.DataFrame, labels: pd.DataFrame) -> tuple[Arrays, pd.DataFrame]:
    return fit_bow_model(tfidf_differences, labels, CONFIG)


@pytest.fixture
def bow_model(bow: tuple[Arrays, pd.DataFrame]) -> Arrays:
    return bow[0]


@pytest.fixture
def oof_bow_logits(bow: tuple[Arrays, pd.DataFrame]) -> pd.DataFrame:
    return bow[1]


@pytest.fixture
def fitted(
    model_input: pd.DataFrame, oof_bow_logits: pd.DataFrame, labels: pd.DataFrame
) -> tuple[CatBoost, pd.DataFrame]:
    return fit_fold_models(model_input, oof_bow_logits, labels, CONFIG, seed=0)


@pytest.fixture
def ensemble(fitted: tuple[CatBoost, pd.DataFrame]) -> CatBoost:
    return fitted[0]


@pytest.fixture
def oof_logits(fitted: tuple[CatBoost, pd.DataFrame]) -> pd.DataFrame:
    return fitted[1]
