"""Consensus dropout: which battles lose their consensus features, and what models learn without them."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.metrics import log_loss

from arena_preference.pipelines.modelling import boosting
from arena_preference.pipelines.modelling.calibration import average_orders
from arena_preference.pipelines.modelling.dropout import drop_consensus
from arena_preference.pipelines.modelling.fitting import fit_fold_models, join_tables
from arena_preference.pipelines.modelling.linear_model import (
    LINEAR_COLUMNS,
    fit_linear_model,
    predict_linear_logits,
)
from arena_preference.targets import read_votes

from .conftest import CONFIG, SUMMARY, set_votes, update, without_linear_logits

CONSENSUS = ["consensus_support__diff", "consensus_answers__pair"]


@pytest.fixture
def repeated(rng: np.random.Generator) -> pd.DataFrame:
    """Features of 900 battles: a weak one, and consensus that tells the label."""
    side = np.array([1, -1, 0])[make_label(900)]
    return pd.DataFrame(
        {
            "id": [str(number) for number in range(900)],
            "hint__diff": (side + rng.normal(size=900)).astype(np.float32),
            "consensus_support__diff": (side + rng.normal(scale=0.1, size=900)).astype(np.float32),
            "consensus_answers__pair": rng.integers(1, 9, 900).astype(np.float32),
        }
    )


def make_label(battles: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 3, battles)


@pytest.fixture
def repeated_labels(repeated: pd.DataFrame) -> pd.DataFrame:
    ids = repeated["id"]
    table = pd.DataFrame({"id": ids, "source": "train.csv", "prompt_group": ids, "fold": np.arange(900) % 3})
    return set_votes(table, make_label(900))


def lose_consensus(features: pd.DataFrame) -> pd.DataFrame:
    return features.assign(**dict.fromkeys(CONSENSUS, np.float32(0)))


def find_dropped(features: pd.DataFrame, fraction: float) -> set[str]:
    dropped = drop_consensus(features, fraction)
    return set(dropped["id"][(dropped[CONSENSUS] == 0).all(axis=1)])


def test_consensus_features_of_the_fraction_become_zero_and_nothing_else_changes(repeated: pd.DataFrame) -> None:
    before = repeated.copy()
    dropped = drop_consensus(repeated, 0.3)
    pd.testing.assert_frame_equal(repeated, before)
    is_dropped = (dropped[CONSENSUS] == 0).all(axis=1)
    assert 0.25 < is_dropped.mean() < 0.35
    pd.testing.assert_frame_equal(dropped[~is_dropped], repeated[~is_dropped])
    pd.testing.assert_frame_equal(dropped.drop(columns=CONSENSUS), repeated.drop(columns=CONSENSUS))
    pd.testing.assert_series_equal(dropped.dtypes, repeated.dtypes)
    pd.testing.assert_frame_equal(drop_consensus(repeated, 0.0), repeated)


def test_which_battles_are_dropped_depends_on_their_ids_alone(repeated: pd.DataFrame) -> None:
    dropped = find_dropped(repeated, 0.3)
    others = repeated.assign(hint__diff=np.float32(5), consensus_support__diff=np.float32(9))
    assert find_dropped(others[::-1], 0.3) == dropped
    half = repeated[::2].reset_index(drop=True)
    assert find_dropped(half, 0.3) == dropped & set(half["id"])
    # With a larger fraction, these and others.
    assert dropped < find_dropped(repeated, 0.5)
    assert find_dropped(repeated.assign(id="x" + repeated["id"]), 0.3) != {f"x{name}" for name in dropped}


def test_features_without_consensus_stay_as_they_are(model_input: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(drop_consensus(model_input, 0.9), model_input)


def test_consensus_dropout_makes_models_work_without_consensus(
    repeated: pd.DataFrame, repeated_labels: pd.DataFrame
) -> None:
    label, votes, losses = repeated_labels["label"], read_votes(repeated_labels), {}
    for dropout in (0.0, 0.3):
        learned = without_linear_logits(drop_consensus(repeated[:600], dropout))
        model = boosting.fit_catboost(learned, votes[:600], CONFIG, seed=0)
        for name, table in (("with", repeated), ("without", lose_consensus(repeated))):
            logits = boosting.predict_logits(model, without_linear_logits(table[600:]))
            losses[name, dropout] = log_loss(label[600:], softmax(logits, axis=1), labels=range(3))
    assert losses["with", 0.3] < 0.2
    # Without dropout, the model predicts a tie wherever there is no consensus.
    assert losses["without", 0.0] > 1.2
    assert losses["without", 0.3] < 0.95


def test_linear_model_and_catboost_learn_from_the_same_dropped_battles_and_score_with_consensus(
    repeated: pd.DataFrame, repeated_labels: pd.DataFrame
) -> None:
    label, losses = repeated_labels["label"], {}
    for dropout in (0.0, 0.3):
        config = update(consensus_dropout=dropout)
        linear_model, linear_logits = fit_linear_model(repeated, repeated_labels, SUMMARY, config)
        ensemble, oof_logits = fit_fold_models(repeated, linear_logits, repeated_labels, config, seed=0)
        losses["with", dropout] = log_loss(label, softmax(average_orders(oof_logits), axis=1))
        without = lose_consensus(repeated)
        features = join_tables(without, predict_linear_logits(without, linear_model), "linear_logits")
        logits = boosting.predict_logits(ensemble, features)
        losses["without", dropout] = log_loss(label, softmax(logits, axis=1))
    assert losses["with", 0.3] < 0.2
    assert losses["without", 0.3] < 0.95
    assert losses["without", 0.3] < losses["without", 0.0] - 0.2


def test_a_fold_is_scored_with_the_consensus_of_all_its_battles_and_learned_from_without_that_of_some(
    repeated: pd.DataFrame, repeated_labels: pd.DataFrame
) -> None:
    config = update(consensus_dropout=0.5)
    # Dropped battles exchange their consensus.
    rows = np.flatnonzero(repeated["id"].isin(find_dropped(repeated, 0.5)) & (repeated_labels["fold"] == 1))
    exchanged = repeated.copy()
    exchanged.loc[rows, CONSENSUS] = repeated.loc[rows[::-1], CONSENSUS].to_numpy()
    before, after = (fit_linear_model(table, repeated_labels, SUMMARY, config)[1] for table in (repeated, exchanged))
    assert len(rows) > 100
    for name in LINEAR_COLUMNS:
        for fold in (0, 2):
            np.testing.assert_allclose(after[f"{name}_{fold}"], before[f"{name}_{fold}"], rtol=1e-4, atol=1e-4)
    changes = abs(after["linear_side__diff_1"] - before["linear_side__diff_1"])
    assert changes[rows].mean() > 1
    assert changes.drop(rows).max() < 1e-4
