from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from catboost import CatBoost, CatBoostClassifier, CatBoostError, Pool

from arena_preference import device
from arena_preference.pipelines.modelling import boosting
from arena_preference.pipelines.modelling.fitting import join_tables
from arena_preference.pipelines.modelling.linear_model import LINEAR_COLUMNS
from arena_preference.symmetry import swap_features, swap_labels, swap_probabilities
from arena_preference.targets import read_votes

from .conftest import CONFIG, update, without_linear_logits


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
    settings = boosting.choose_settings(
        update(catboost=CONFIG.catboost.model_copy(update={"task_type": task_type})), battles
    )
    assert settings["task_type"] == chosen
    assert ("rsm" in settings) == (chosen == "CPU")


@pytest.mark.parametrize(("battles", "l2_leaf_reg"), [(100, 30), (1000, 3), (100_000, 3)])
def test_few_battles_are_shrunk_more_and_many_as_the_parameter_says(battles: int, l2_leaf_reg: float) -> None:
    assert boosting.choose_settings(update(shrinkage=3000), battles)["l2_leaf_reg"] == l2_leaf_reg


def test_shrinkage_makes_corrections_small(model_input: pd.DataFrame, labels: pd.DataFrame) -> None:
    features = without_linear_logits(model_input)
    weak, strong = (
        np.abs(boosting.predict_logits(boosting.fit_catboost(features, read_votes(labels), config, 0), features)).mean()
        for config in (CONFIG, update(shrinkage=1e6))
    )
    assert strong < weak / 3


def test_a_requested_gpu_that_fails_is_an_error_without_fallback(
    model_input: pd.DataFrame, labels: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise CatBoostError("CUDA driver version is insufficient")

    monkeypatch.setattr(boosting.CatBoostClassifier, "fit", fail)
    features, votes = without_linear_logits(model_input), read_votes(labels)
    on_gpu = update(catboost=CONFIG.catboost.model_copy(update={"task_type": "GPU"}))
    with pytest.raises(RuntimeError, match=r"CUDA driver.*modelling\.catboost\.task_type"):
        boosting.fit_catboost(features, votes, on_gpu, seed=0)
    with pytest.raises(CatBoostError):
        boosting.fit_catboost(features, votes, CONFIG, seed=0)


def test_every_battle_is_learned_in_both_orders(model_input: pd.DataFrame, labels: pd.DataFrame) -> None:
    features, label, votes = without_linear_logits(model_input), labels["label"].to_numpy(), read_votes(labels)
    # No training battle is won by B, so B's wins are learned from swapped battles alone.
    model = boosting.fit_catboost(features[label != 1], votes[label != 1], CONFIG, seed=0)
    original, swapped = boosting.predict_both_orders(model, features)
    assert original.shape == swapped.shape == (len(features), 3)
    np.testing.assert_allclose(boosting.predict_logits(model, features), (original + swapped) / 2)
    assert abs(original[:, 0].mean() - original[:, 1].mean()) < 0.5


def test_the_order_of_columns_is_irrelevant_and_a_missing_one_is_named(
    model_input: pd.DataFrame, oof_linear_logits: pd.DataFrame, ensemble: CatBoost
) -> None:
    features = join_tables(model_input, oof_linear_logits, "oof_linear_logits")
    logits = boosting.predict_logits(ensemble, features)
    np.testing.assert_array_equal(boosting.predict_logits(ensemble, features[features.columns[::-1]]), logits)
    with pytest.raises(ValueError, match=r"1 of the model's 5 features.*chance__pair.*pipeline modelling"):
        boosting.predict_logits(ensemble, features.drop(columns="chance__pair"))


def make_logits(features: pd.DataFrame, label: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """Logits of CatBoost itself, which starts from those of the linear model, with an optional weight."""
    settings = boosting.choose_settings(CONFIG, len(features))
    model = CatBoostClassifier(
        loss_function="MultiClass", random_seed=0, allow_writing_files=False, verbose=False, **settings
    )
    both = pd.concat([features, swap_features(features)], ignore_index=True)
    margin, tie = (both.pop(name).to_numpy(dtype=float) for name in LINEAR_COLUMNS)
    start = np.column_stack([margin / 2, -margin / 2, tie])
    weights = None if weight is None else np.tile(weight, 2)
    model.fit(Pool(both, np.concatenate([label, swap_labels(label)]), weight=weights, baseline=start))
    return start[: len(features)] + model.predict(features[both.columns], prediction_type="RawFormulaVal")


@pytest.fixture
def features(model_input: pd.DataFrame, oof_linear_logits: pd.DataFrame) -> pd.DataFrame:
    """Features with the logits of the linear model."""
    return join_tables(model_input, oof_linear_logits, "oof_linear_logits")[
        [*model_input.columns.drop("id"), *LINEAR_COLUMNS]
    ]


def test_plain_votes_are_fitted_without_weights(features: pd.DataFrame, labels: pd.DataFrame) -> None:
    model = boosting.fit_catboost(features, read_votes(labels), CONFIG, seed=0)
    expected = make_logits(features, labels["label"].to_numpy())
    np.testing.assert_array_equal(boosting.predict_both_orders(model, features)[0], expected)


def test_a_soft_label_is_fitted_as_weighted_votes(features: pd.DataFrame, labels: pd.DataFrame) -> None:
    votes = read_votes(labels)
    soft = 0.7 * votes + 0.3 * swap_probabilities(votes)
    model = boosting.fit_catboost(features, soft, CONFIG, seed=0)
    rows, label = np.nonzero(soft)
    expected = make_logits(features.iloc[rows], label, soft[rows, label])
    np.testing.assert_array_equal(boosting.predict_both_orders(model, features.iloc[rows])[0], expected)


def test_without_ties_a_model_still_has_three_logits(model_input: pd.DataFrame, labels: pd.DataFrame) -> None:
    features, votes = without_linear_logits(model_input), read_votes(labels)
    decided = votes[:, 2] == 0
    model = boosting.fit_catboost(features[decided], votes[decided], CONFIG, seed=0)
    logits = boosting.predict_logits(model, features)
    assert logits.shape == (len(features), 3)
    assert (logits.argmin(axis=1) == 2).all()


def test_what_the_linear_model_says_is_part_of_the_logits_and_not_a_feature(
    features: pd.DataFrame, labels: pd.DataFrame
) -> None:
    model = boosting.fit_catboost(features, read_votes(labels), CONFIG, seed=0)
    assert not set(LINEAR_COLUMNS) & set(model.feature_names_)
    alone = boosting.predict_logits(model, without_linear_logits(features))
    margin, tie = features[list(LINEAR_COLUMNS)].to_numpy(dtype=float).T
    expected = alone + np.column_stack([margin / 2, -margin / 2, tie])
    np.testing.assert_allclose(boosting.predict_logits(model, features), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(boosting.read_linear_logits(features), expected - alone, rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match=r"linear_side__diff.*pipeline modelling"):
        boosting.predict_logits(model, features.drop(columns="linear_side__diff"))


def test_catboost_learns_what_the_linear_model_leaves_over(model_input: pd.DataFrame, labels: pd.DataFrame) -> None:
    sure = without_linear_logits(model_input).assign(
        linear_side__diff=24 * labels["label"].map({0: 1, 1: -1, 2: 0}), linear_tie__pair=6.0
    )
    alone = without_linear_logits(model_input)
    corrections = [
        np.ptp(
            boosting.predict_logits(boosting.fit_catboost(table, read_votes(labels), CONFIG, 0), alone), axis=1
        ).mean()
        for table in (alone, sure)
    ]
    assert corrections[1] < corrections[0] / 5


def test_a_swap_of_the_sides_exchanges_the_logits_exactly(features: pd.DataFrame, ensemble: CatBoost) -> None:
    logits = boosting.predict_logits(ensemble, features)
    swapped = boosting.predict_logits(ensemble, swap_features(features))
    np.testing.assert_array_equal(swapped, swap_probabilities(logits))
    assert np.abs(logits[:, 0] - logits[:, 1]).max() > 0.1


def test_trees_read_no_coordinates_of_a_space(model_input: pd.DataFrame, labels: pd.DataFrame) -> None:
    names = {"chance__diff": "lsa_007__diff", "chance__prompt": "lsa_cosine__prompt"}
    features = without_linear_logits(model_input.rename(columns=names)).assign(emb_00__diff=np.float32(1))
    model = boosting.fit_catboost(features, read_votes(labels), CONFIG, seed=0)
    read = ["characters__reldiff", "characters__sum", "chance__pair", "lsa_cosine__prompt"]
    assert model.feature_names_ == boosting.list_tree_features(features) == read
