"""What each feature adds to the logits."""

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoost

from arena_preference.pipelines.modelling.boosting import predict_both_orders, predict_logits
from arena_preference.pipelines.modelling.explanation import explain_logits
from arena_preference.pipelines.modelling.fitting import fit_fold_models, join_tables
from arena_preference.pipelines.modelling.linear_model import (
    Arrays,
    explain_linear_logits,
    fit_linear_model,
    predict_linear_logits,
)
from arena_preference.symmetry import swap_features

from .conftest import CONFIG, SUMMARY


@pytest.fixture
def scaled(ensemble: CatBoost) -> CatBoost:
    ensemble.set_scale_and_bias(0.8, [0.0, 0.0, 0.0])
    return ensemble


def test_contributions_sum_to_the_logits_of_both_models(
    model_input: pd.DataFrame, linear_model: Arrays, scaled: CatBoost
) -> None:
    features = join_tables(model_input, predict_linear_logits(model_input, linear_model), "linear_logits")
    original, swapped = predict_both_orders(scaled, features)
    logits = (original + swapped) / 2
    margins, ties = explain_logits(scaled, linear_model, model_input.drop(columns="id"))
    np.testing.assert_allclose(margins.sum(axis=1), logits[:, 0] - logits[:, 1], rtol=1e-6, atol=1e-6)
    tie = logits[:, 2] - logits[:, :2].mean(axis=1)
    # Up to a constant, the logit of an average battle.
    constant = tie - ties.sum(axis=1)
    np.testing.assert_allclose(constant, constant[0], rtol=1e-6)
    assert tie.std() > 0.1
    # The model keeps its scale.
    assert scaled.get_scale_and_bias()[0] == 0.8


def test_a_swap_negates_the_contributions_to_the_margin_and_keeps_those_to_the_tie(
    model_input: pd.DataFrame, linear_model: Arrays, ensemble: CatBoost
) -> None:
    features = model_input.drop(columns="id")
    margins, ties = explain_logits(ensemble, linear_model, features)
    swapped_margins, swapped_ties = explain_logits(ensemble, linear_model, swap_features(features))
    np.testing.assert_allclose(swapped_margins, -margins, atol=1e-9)
    np.testing.assert_allclose(swapped_ties, ties, atol=1e-9)


def test_the_feature_that_decides_contributes_most_to_the_margin(
    model_input: pd.DataFrame, linear_model: Arrays, ensemble: CatBoost
) -> None:
    features = model_input.drop(columns="id")
    margins, _ = explain_logits(ensemble, linear_model, features)
    sizes = pd.Series(abs(margins).mean(axis=0), features.columns)
    assert sizes.idxmax() == "characters__reldiff"
    assert sizes.max() > 3 * sizes.drop("characters__reldiff").max()


def test_features_that_catboost_does_not_read_contribute_to_the_linear_model_alone(
    model_input: pd.DataFrame, labels: pd.DataFrame
) -> None:
    named = model_input.rename(columns={"chance__diff": "lsa_000__diff"})
    linear_model, linear_logits = fit_linear_model(named, labels, SUMMARY, CONFIG)
    ensemble, _ = fit_fold_models(named, linear_logits, labels, CONFIG, seed=0)
    assert "lsa_000__diff" not in ensemble.feature_names_
    features = named.drop(columns="id")
    margins, _ = explain_logits(ensemble, linear_model, features)
    linear_margins, _ = explain_linear_logits(features, linear_model)
    column = features.columns.get_loc("lsa_000__diff")
    np.testing.assert_array_equal(margins[:, column], linear_margins[:, column])
    assert margins[:, column].any()
    logits = predict_logits(ensemble, join_tables(named, predict_linear_logits(named, linear_model), "linear_logits"))
    np.testing.assert_allclose(margins.sum(axis=1), logits[:, 0] - logits[:, 1], rtol=1e-6, atol=1e-6)
