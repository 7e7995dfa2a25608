"""Models of the small battles, and words that their answers differ in."""

import numpy as np
import pandas as pd
import pytest
from arena_preference.folds import assign_folds
from catboost import CatBoost

from arena_preference.battles import LABEL_COLUMNS, TfidfDifferences
from arena_preference.pipelines.modelling.bag_of_words import Arrays
from arena_preference.pipelines.modelling.config import BagOfWordsConfig, CatBoostConfig, ModellingConfig
from arena_preference.pipelines.modelling.nodes import fit_bow_models, fit_fold_models

OPTIONS = ModellingConfig(
    folds=3,
    bow_model=BagOfWordsConfig(C_side=1, C_tie=0.1, iterations=100),
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
    consensus_dropout=0.2,
    seeds_per_fold=1,
    learning_curve=(0.5, 1.0),
    ablation=True,
    n_bins=10,
    n_resamples=50,
)


def make_differences(battles: pd.DataFrame, telling: bool = False) -> pd.DataFrame:
    """Make differences of 20 words; where they are telling, the winner uses the first word more."""
    values = np.random.default_rng(3).normal(size=(len(battles), 20)).astype("float32")
    values[np.abs(values) < 1] = 0
    if telling:
        values[:, 0] += 3 * battles["label"].map({0: 1, 1: -1, 2: 0}).to_numpy()
    words = [np.flatnonzero(of_battle).astype("int32") for of_battle in values]
    weights = [of_battle[places] for of_battle, places in zip(values, words, strict=True)]
    table = pd.DataFrame({"id": battles["id"], "vocabulary": np.int32(20), "words": words, "weights": weights})
    return TfidfDifferences.validate(table)


def swap_words(differences: pd.DataFrame) -> pd.DataFrame:
    """Exchange the sides of all battles."""
    return differences.assign(weights=[-weights for weights in differences["weights"]])


@pytest.fixture
def folds(battles: pd.DataFrame) -> pd.DataFrame:
    return assign_folds(battles, OPTIONS.folds, seed=0)


@pytest.fixture
def cross_encoder_logits(battles: pd.DataFrame) -> pd.DataFrame:
    """Logits that say a little of the verdicts, in an order of their own."""
    logits = np.random.default_rng(4).normal(size=(len(battles), 3)) + 0.5 * np.eye(3)[battles["label"]]
    table = pd.DataFrame(logits.astype("float32"), columns=list(LABEL_COLUMNS))
    return table.assign(id=battles["id"].to_numpy()).sample(frac=1, random_state=0)


@pytest.fixture
def tfidf_differences(battles: pd.DataFrame) -> pd.DataFrame:
    return make_differences(battles)


@pytest.fixture
def bow_models(
    tfidf_differences: pd.DataFrame, battles: pd.DataFrame, folds: pd.DataFrame
) -> tuple[Arrays, pd.DataFrame]:
    return fit_bow_models(tfidf_differences, battles, folds, OPTIONS)


@pytest.fixture
def bow_model(bow_models: tuple[Arrays, pd.DataFrame]) -> Arrays:
    return bow_models[0]


@pytest.fixture
def oof_bow_logits(bow_models: tuple[Arrays, pd.DataFrame]) -> pd.DataFrame:
    return bow_models[1]


@pytest.fixture
def fitted(
    model_input: pd.DataFrame, oof_bow_logits: pd.DataFrame, battles: pd.DataFrame, folds: pd.DataFrame
) -> tuple[CatBoost, pd.DataFrame]:
    return fit_fold_models(model_input, oof_bow_logits, battles, folds, OPTIONS, seed=0)
