import numpy as np
import pandas as pd
import pytest
from catboost import CatBoost
from scipy.special import softmax
from sklearn.metrics import log_loss

from arena_preference.pipelines.modelling.boosting import fit_catboost, predict_logits
from arena_preference.pipelines.modelling.calibration import average_orders
from arena_preference.pipelines.modelling.config import ModellingConfig
from arena_preference.pipelines.modelling.fitting import (
    fit_fold_models,
    fit_preference_model,
    join_features,
    join_tables,
    list_feature_groups,
    select_fold_model,
)
from arena_preference.pipelines.modelling.linear_model import fit_linear_model, select_fold_logits
from arena_preference.symmetry import swap_labels, swap_probabilities
from arena_preference.targets import read_votes

from .conftest import CONFIG, SUMMARY, change_labels, set_votes, swap_input, update


def test_joined_features_have_the_rows_of_the_first_table_and_all_columns(model_input: pd.DataFrame) -> None:
    other = model_input.add_prefix("other_").rename(columns={"other_id": "id"}).sample(frac=1, random_state=0)
    joined = join_features(text=model_input, embedding=other, reward=model_input[["id"]])
    assert joined["id"].tolist() == model_input["id"].tolist()
    assert joined.shape == (len(model_input), 1 + 2 * (model_input.shape[1] - 1))
    np.testing.assert_array_equal(joined["other_chance__diff"], joined["chance__diff"])


def test_feature_tables_of_different_battles_are_rejected_by_name(model_input: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"embedding.*239 rows for 240 ids"):
        join_features(text=model_input, embedding=model_input[1:])


def test_groups_name_every_feature_once_and_leave_out_empty_tables(model_input: pd.DataFrame) -> None:
    lsa = model_input[["id"]].assign(lsa_000__diff=np.float32(0))
    groups = list_feature_groups(text=model_input, lsa=lsa, reward=model_input[["id"]])
    assert list(groups) == ["text", "lsa"]
    assert groups["lsa"] == ["lsa_000__diff"]
    assert len(groups["text"]) == model_input.shape[1] - 1


def test_tables_of_different_battles_are_rejected(
    model_input: pd.DataFrame, oof_linear_logits: pd.DataFrame, labels: pd.DataFrame
) -> None:
    with pytest.raises(ValueError, match=r"labels.*from_run"):
        fit_fold_models(model_input[:-1], oof_linear_logits, labels, CONFIG, seed=0)
    with pytest.raises(ValueError, match=r"oof_linear_logits.*from_run"):
        fit_fold_models(model_input, oof_linear_logits[1:], labels, CONFIG, seed=0)


def test_the_order_of_labels_is_irrelevant(
    model_input: pd.DataFrame, oof_linear_logits: pd.DataFrame, labels: pd.DataFrame, oof_logits: pd.DataFrame
) -> None:
    again = fit_fold_models(model_input, oof_linear_logits[::-1], labels[::-1], CONFIG, seed=0)[1]
    pd.testing.assert_frame_equal(again, oof_logits)


def test_shuffled_labels_are_not_predicted_better_than_by_the_prior(
    model_input: pd.DataFrame, labels: pd.DataFrame, oof_logits: pd.DataFrame
) -> None:
    def compute_gain(logits: pd.DataFrame, label: pd.Series) -> float:
        prior = np.tile(label.value_counts(normalize=True).sort_index(), (len(label), 1))
        return float(log_loss(label, prior) - log_loss(label, softmax(average_orders(logits), axis=1)))

    shuffled = set_votes(labels, labels["label"].sample(frac=1, random_state=1).to_numpy())
    linear_logits = fit_linear_model(model_input, shuffled, SUMMARY, CONFIG)[1]
    assert compute_gain(oof_logits, labels["label"]) > 0.15
    shuffled_logits = fit_fold_models(model_input, linear_logits, shuffled, CONFIG, seed=0)[1]
    assert compute_gain(shuffled_logits, shuffled["label"]) < 0.02


def test_a_held_out_label_cannot_reach_its_own_prediction(
    model_input: pd.DataFrame, labels: pd.DataFrame, oof_logits: pd.DataFrame
) -> None:
    held_out = labels["fold"] == 0
    changed = change_labels(labels, held_out)
    linear_logits = fit_linear_model(model_input, changed, SUMMARY, CONFIG)[1]
    after = fit_fold_models(model_input, linear_logits, changed, CONFIG, seed=0)[1]
    pd.testing.assert_frame_equal(after[held_out], oof_logits[held_out])
    assert not after[~held_out].equals(oof_logits[~held_out])


def test_logits_of_the_ensemble_are_the_mean_of_the_models_with_consecutive_seeds(
    model_input: pd.DataFrame, oof_linear_logits: pd.DataFrame, labels: pd.DataFrame
) -> None:
    ensemble, _ = fit_fold_models(model_input, oof_linear_logits, labels, update(seeds_per_fold=2), seed=5)
    votes, asked = read_votes(labels), join_tables(model_input, oof_linear_logits, "oof_linear_logits")
    logits = []
    for fold in range(3):
        features = join_tables(model_input, select_fold_logits(oof_linear_logits, fold), "").drop(columns="id")
        rows = (labels["fold"] != fold).to_numpy()
        models = [fit_catboost(features[rows], votes[rows], CONFIG, seed) for seed in (5, 6)]
        logits += [predict_logits(model, asked) for model in models]
    assert not np.array_equal(logits[0], logits[1])
    np.testing.assert_allclose(predict_logits(ensemble, asked), np.mean(logits, axis=0), rtol=1e-9, atol=1e-12)


def test_the_preference_model_is_the_ensemble_whatever_the_temperature(
    model_input: pd.DataFrame,
    oof_linear_logits: pd.DataFrame,
    no_cross_encoder: pd.DataFrame,
    labels: pd.DataFrame,
    ensemble: CatBoost,
    oof_logits: pd.DataFrame,
) -> None:
    model, calibration, logits = fit_preference_model(
        model_input, oof_linear_logits, no_cross_encoder, labels, CONFIG, seed=0
    )
    pd.testing.assert_frame_equal(logits, oof_logits)
    assert calibration["temperature"] != 1
    features = join_tables(model_input, oof_linear_logits, "oof_linear_logits")
    np.testing.assert_array_equal(predict_logits(model, features), predict_logits(ensemble, features))


def test_the_models_of_a_fold_within_the_ensemble_are_those_that_scored_it(
    model_input: pd.DataFrame, oof_linear_logits: pd.DataFrame, no_cross_encoder: pd.DataFrame, labels: pd.DataFrame
) -> None:
    model, _, oof_logits = fit_preference_model(
        model_input, oof_linear_logits, no_cross_encoder, labels, update(seeds_per_fold=2), seed=0
    )
    features, expected = join_tables(model_input, oof_linear_logits, "oof_linear_logits"), average_orders(oof_logits)
    for fold in range(3):
        held_out = (labels["fold"] == fold).to_numpy()
        logits = predict_logits(select_fold_model(model, fold), features)
        np.testing.assert_allclose(logits[held_out], expected[held_out], rtol=1e-9, atol=1e-12)
        assert np.abs(logits[~held_out] - expected[~held_out]).max() > 0.01


def test_training_does_not_depend_on_which_side_is_called_a(
    model_input: pd.DataFrame, labels: pd.DataFrame, oof_logits: pd.DataFrame
) -> None:
    swapped_input, swapped_labels = swap_input(model_input), set_votes(labels, swap_labels(labels["label"].to_numpy()))
    linear_logits = fit_linear_model(swapped_input, swapped_labels, SUMMARY, CONFIG)[1]
    swapped = fit_fold_models(swapped_input, linear_logits, swapped_labels, CONFIG, seed=0)[1]
    logits, expected = average_orders(oof_logits), swap_probabilities(average_orders(swapped))
    assert np.corrcoef(logits.ravel(), expected.ravel())[0, 1] > 0.95


@pytest.mark.parametrize(
    "change",
    [
        {"seeds_per_fold": 0},
        {"seeds": 5},
        {"catboost": {"depht": 6}},
        {"train_sizes": [1.5]},
        {"linear_model": {"alpha_side": 0}},
    ],
)
def test_parameters_out_of_range_or_unknown_are_rejected(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        ModellingConfig(**{**CONFIG.model_dump(), **change})
