"""The linear model: what reaches its logits, symmetry, votes, names of models and other sources."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax

from arena_preference.battles import ID
from arena_preference.pipelines.modelling.boosting import read_linear_logits
from arena_preference.pipelines.modelling.config import LinearModelConfig, ModellingConfig
from arena_preference.pipelines.modelling.linear_model import (
    LINEAR_COLUMNS,
    Arrays,
    explain_linear_logits,
    fit_linear_model,
    fit_on_votes,
    predict_linear_logits,
    select_fold_logits,
)
from arena_preference.symmetry import Features, swap_labels
from arena_preference.targets import SOFT_LABELS, read_targets

from .conftest import CONFIG, SUMMARY, change_labels, set_votes, swap_input, update

SIDE, TIE = LINEAR_COLUMNS
# With few noisy votes, coefficients have to be small.
SHRUNK = update(linear_model=LinearModelConfig(alpha_side=100, alpha_tie=10, alpha_models=3))
COEFFICIENTS = ("side", "tie", "tie_intercept")

Battles = tuple[pd.DataFrame, pd.DataFrame]


@pytest.fixture
def with_coordinates(model_input: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Features with 40 coordinates of a space, which say nothing."""
    names = [f"lsa_{number:03}__diff" for number in range(40)]
    return model_input.join(pd.DataFrame(rng.normal(size=(len(model_input), 40)).astype(np.float32), columns=names))


def compute_losses(oof_linear_logits: pd.DataFrame, labels: pd.DataFrame) -> np.ndarray:
    probabilities = softmax(read_linear_logits(oof_linear_logits), axis=1)
    return -np.log((probabilities * read_targets(labels)).sum(axis=1))


def assert_close(model: Arrays, other: Arrays, tolerance: float) -> None:
    for name in COEFFICIENTS:
        np.testing.assert_allclose(model[name], other[name], rtol=0, atol=tolerance)


@pytest.mark.parametrize("features", ["model_input", "with_coordinates"])
def test_no_label_of_a_fold_reaches_its_logits(
    request: pytest.FixtureRequest, features: str, labels: pd.DataFrame
) -> None:
    table = request.getfixturevalue(features)
    before, after = (
        fit_linear_model(table, votes, SUMMARY, CONFIG)[1]
        for votes in (labels, change_labels(labels, labels["fold"] == 1))
    )
    own, others = ([f"{name}_{fold}" for name in LINEAR_COLUMNS for fold in folds] for folds in ((1,), (0, 2)))
    pd.testing.assert_frame_equal(after[own], before[own], check_exact=True)
    for name in others:
        assert not after[name].equals(before[name])


@pytest.mark.parametrize("features", ["model_input", "with_coordinates"])
def test_the_model_of_a_fold_has_seen_no_label_of_it(
    request: pytest.FixtureRequest, features: str, labels: pd.DataFrame
) -> None:
    table = request.getfixturevalue(features)
    model, oof_linear_logits = fit_linear_model(table, labels, SUMMARY, CONFIG)
    changed = fit_linear_model(table, change_labels(labels, labels["fold"] == 1), SUMMARY, CONFIG)[0]
    assert set(changed) == set(model)
    for name, values in model.items():
        if name in COEFFICIENTS:
            assert [np.array_equal(one, other) for one, other in zip(values, changed[name], strict=True)] == [0, 1, 0]
        else:
            np.testing.assert_array_equal(changed[name], values)
    in_fold = labels["fold"] == 1
    logits = predict_linear_logits(table, model, fold=1)[list(LINEAR_COLUMNS)]
    np.testing.assert_array_equal(logits[in_fold], oof_linear_logits.loc[in_fold, list(LINEAR_COLUMNS)])


def test_a_battle_is_never_scored_by_a_model_that_saw_it(
    model_input: pd.DataFrame, labels: pd.DataFrame, oof_linear_logits: pd.DataFrame
) -> None:
    one = labels.index[labels["fold"] == 2][0]
    after = fit_linear_model(model_input, change_labels(labels, labels.index == one), SUMMARY, CONFIG)[1]
    pd.testing.assert_series_equal(after.loc[one], oof_linear_logits.loc[one], check_exact=True)
    assert not after.equals(oof_linear_logits)


def test_the_models_without_two_folds_score_both_for_each_other(
    model_input: pd.DataFrame, labels: pd.DataFrame, oof_linear_logits: pd.DataFrame
) -> None:
    only = labels["fold"] == 0
    scored = labels["fold"] == 1
    # Standardised alike, because they are measured on all battles.
    wide = fit_linear_model(model_input, change_labels(labels, ~only), SUMMARY, CONFIG)[1]
    pd.testing.assert_series_equal(wide.loc[scored, f"{SIDE}_2"], oof_linear_logits.loc[scored, f"{SIDE}_2"])
    assert not wide.loc[scored, f"{SIDE}_0"].equals(oof_linear_logits.loc[scored, f"{SIDE}_0"])


def test_unnumbered_columns_are_those_of_the_own_fold(oof_linear_logits: pd.DataFrame) -> None:
    for fold, rows in oof_linear_logits.groupby("fold"):
        own = rows[[f"{name}_{fold}" for name in LINEAR_COLUMNS]]
        np.testing.assert_array_equal(rows[list(LINEAR_COLUMNS)], own)
        selected = select_fold_logits(oof_linear_logits, fold)
        assert selected.columns.tolist() == [ID, *LINEAR_COLUMNS]
        np.testing.assert_array_equal(selected.loc[rows.index, list(LINEAR_COLUMNS)], own)


def test_the_order_of_labels_is_irrelevant(
    model_input: pd.DataFrame, labels: pd.DataFrame, oof_linear_logits: pd.DataFrame
) -> None:
    again = fit_linear_model(model_input, labels[::-1], SUMMARY, CONFIG)[1]
    pd.testing.assert_frame_equal(again, oof_linear_logits, check_exact=True)
    with pytest.raises(ValueError, match=r"labels.*from_run"):
        fit_linear_model(model_input[1:], labels, SUMMARY, CONFIG)


def test_features_predict_the_better_side_out_of_fold(
    model_input: pd.DataFrame, labels: pd.DataFrame, linear_model: Arrays, oof_linear_logits: pd.DataFrame
) -> None:
    logits = Features.validate(predict_linear_logits(model_input, linear_model))
    decided = labels["label"] < 2
    for table in (logits, oof_linear_logits):
        assert ((table[SIDE] > 0) == (labels["label"] == 0))[decided].mean() > 0.8
    assert np.corrcoef(oof_linear_logits[SIDE], logits[SIDE])[0, 1] > 0.95
    prior = np.bincount(labels["label"]) / len(labels)
    assert compute_losses(oof_linear_logits, labels).mean() < -(prior * np.log(prior)).sum() - 0.15


def test_ties_are_predicted_from_symmetric_features(
    model_input: pd.DataFrame, labels: pd.DataFrame, oof_linear_logits: pd.DataFrame
) -> None:
    is_tie = labels["label"] == 2
    telling = model_input.assign(chance__pair=(is_tie + 0.5 * model_input["chance__prompt"]).astype(np.float32))
    logits = fit_linear_model(telling, labels, SUMMARY, CONFIG)[1]
    assert logits[TIE][is_tie].mean() > logits[TIE][~is_tie].mean() + 1
    assert compute_losses(logits, labels).mean() < compute_losses(oof_linear_logits, labels).mean() - 0.05


@pytest.mark.parametrize("fold", [None, 1])
def test_a_swap_of_the_sides_negates_the_margin_and_keeps_the_tie_exactly(
    model_input: pd.DataFrame, linear_model: Arrays, fold: int | None
) -> None:
    logits = predict_linear_logits(model_input, linear_model, fold)
    swapped = predict_linear_logits(swap_input(model_input), linear_model, fold)
    np.testing.assert_array_equal(swapped[SIDE], -logits[SIDE])
    np.testing.assert_array_equal(swapped[TIE], logits[TIE])
    assert logits[SIDE].std() > 0.5
    assert logits[TIE].std() > 0


def test_which_side_of_a_training_battle_is_called_a_changes_no_coefficient(
    model_input: pd.DataFrame, labels: pd.DataFrame, rng: np.random.Generator
) -> None:
    authors = rng.integers(0, 6, size=(len(labels), 2)).astype(str)
    named = labels.assign(model_a=authors[:, 0], model_b=authors[:, 1])
    model = fit_linear_model(model_input, named, SUMMARY, CONFIG)[0]
    for rows in (np.full(len(labels), True), rng.random(len(labels)) < 0.5):
        table = model_input.copy()
        table[rows] = swap_input(model_input)[rows]
        label = labels["label"].to_numpy()
        exchanged = set_votes(named, np.where(rows, swap_labels(label), label)).assign(
            model_a=np.where(rows, authors[:, 1], authors[:, 0]), model_b=np.where(rows, authors[:, 0], authors[:, 1])
        )
        assert_close(fit_linear_model(table, exchanged, SUMMARY, CONFIG)[0], model, 1e-6)


@pytest.mark.parametrize("are_named", [False, True])
def test_a_soft_label_counts_as_its_votes(model_input: pd.DataFrame, labels: pd.DataFrame, are_named: bool) -> None:
    if are_named:
        labels = labels.assign(model_a=["x", "y", "z"] * 80, model_b=["y", "z", "w", "x"] * 60)
    other = change_labels(labels, labels["fold"] >= 0)
    # Two rows with one vote each, and one row with both votes.
    twice = pd.concat([labels, other.assign(id=other["id"] + "-2")], ignore_index=True)
    features = pd.concat([model_input] * 2, ignore_index=True).assign(id=twice["id"])
    both = labels.assign(**(labels[SOFT_LABELS] + other[SOFT_LABELS]) / 2, weight=2.0)
    model = fit_linear_model(model_input, both, SUMMARY, CONFIG)[0]
    assert_close(model, fit_linear_model(features, twice, SUMMARY, CONFIG)[0], 2e-3)
    once = fit_linear_model(model_input, both.assign(weight=1.0), SUMMARY, CONFIG)[0]
    assert np.abs(once["tie"] - model["tie"]).max() > 2e-3


def test_without_ties_they_are_unlikely_and_the_side_is_learned(
    model_input: pd.DataFrame, labels: pd.DataFrame
) -> None:
    model, oof_linear_logits = fit_linear_model(model_input, set_votes(labels, labels["label"] % 2), SUMMARY, CONFIG)
    assert np.abs(model["tie"]).max() < 1e-9
    assert (oof_linear_logits[TIE] < -3).all()
    assert (predict_linear_logits(model_input, model)[TIE] < -3).all()
    assert np.corrcoef(oof_linear_logits[SIDE], model_input["characters__reldiff"])[0, 1] > 0.9


@pytest.mark.parametrize(("label", "absent"), [({1: 2}, "winner_model_b"), ({0: 2}, "winner_model_a")])
def test_without_a_side_the_remedy_is_named(
    model_input: pd.DataFrame, labels: pd.DataFrame, label: dict[int, int], absent: str
) -> None:
    one_side = set_votes(labels, labels["label"].replace(label))
    with pytest.raises(ValueError, match=rf"{absent}.*exchange the responses"):
        fit_linear_model(model_input, one_side, SUMMARY, CONFIG)
    with pytest.raises(ValueError, match=rf"{absent}.*exchange the responses"):
        fit_on_votes(model_input, one_side, CONFIG)


def test_other_features_or_another_order_are_rejected(model_input: pd.DataFrame, linear_model: Arrays) -> None:
    fewer = model_input.drop(columns="chance__pair")
    with pytest.raises(ValueError, match=r"5 features.* 4.*--params=from_run"):
        predict_linear_logits(fewer, linear_model)
    with pytest.raises(ValueError, match=r"5 features.* 4.*--params=from_run"):
        explain_linear_logits(fewer.drop(columns=ID), linear_model)
    with pytest.raises(ValueError, match=r"another order.*--params=from_run"):
        predict_linear_logits(model_input[[ID, *model_input.columns[:0:-1]]], linear_model)


def test_constant_features_do_nothing(
    model_input: pd.DataFrame, labels: pd.DataFrame, oof_linear_logits: pd.DataFrame, linear_model: Arrays
) -> None:
    constant = model_input.assign(none__diff=np.float32(0), seven__pair=np.float32(7))
    model, logits = fit_linear_model(constant, labels, SUMMARY, CONFIG)
    np.testing.assert_allclose(logits[list(LINEAR_COLUMNS)], oof_linear_logits[list(LINEAR_COLUMNS)], atol=1e-6)
    # Not even where they differ in new battles.
    other = model_input.assign(none__diff=np.float32(99), seven__pair=np.float32(-99))
    expected = predict_linear_logits(model_input, linear_model)[list(LINEAR_COLUMNS)]
    np.testing.assert_allclose(predict_linear_logits(other, model)[list(LINEAR_COLUMNS)], expected, atol=1e-6)


def test_the_units_of_a_feature_are_irrelevant(
    model_input: pd.DataFrame, labels: pd.DataFrame, oof_linear_logits: pd.DataFrame
) -> None:
    units = {"characters__reldiff": 1024, "characters__sum": 1 / 64, "chance__diff": 1 / 32}
    scaled = model_input.assign(**{name: model_input[name] * np.float32(unit) for name, unit in units.items()})
    scaled["chance__pair"] += np.float32(8)
    logits = fit_linear_model(scaled, labels, SUMMARY, CONFIG)[1]
    np.testing.assert_allclose(logits[list(LINEAR_COLUMNS)], oof_linear_logits[list(LINEAR_COLUMNS)], atol=1e-4)


def test_an_outlier_cannot_decide_a_battle(model_input: pd.DataFrame, linear_model: Arrays) -> None:
    large, huge = (
        predict_linear_logits(model_input.assign(chance__diff=np.float32(value)), linear_model) for value in (99, 1e9)
    )
    pd.testing.assert_frame_equal(huge, large)


def test_coordinates_of_a_space_share_a_scale_of_their_own(labels: pd.DataFrame, rng: np.random.Generator) -> None:
    names = ["lsa_000__diff", "lsa_001__diff", "emb_00__diff", "emb_01__diff", "lsa_cosine__diff"]
    values = rng.normal(size=(len(labels), 5)) * [3, 1, 6, 2, 5]
    features = pd.DataFrame(values.astype(np.float32), columns=names)
    scale = fit_on_votes(pd.concat([labels[[ID]], features], axis=1), labels, CONFIG)["side_scale"]
    rms = np.sqrt(np.square(features.to_numpy(dtype=float)).mean(axis=0))
    spaces = np.sqrt(np.square(rms[:4]).reshape(2, 2).mean(axis=1))
    np.testing.assert_allclose(scale, [*np.repeat(spaces, 2), rms[4]])


def test_coordinates_have_little_weight_where_they_say_nothing(
    with_coordinates: pd.DataFrame, labels: pd.DataFrame
) -> None:
    names = [name for name in with_coordinates if name.startswith("lsa_")]
    features_alone = fit_linear_model(with_coordinates.drop(columns=names), labels, SUMMARY, CONFIG)[1]
    as_features = with_coordinates.rename(columns={name: name.replace("lsa", "any") for name in names})
    losses = {
        "alone": compute_losses(features_alone, labels).mean(),
        "noise": compute_losses(fit_linear_model(with_coordinates, labels, SUMMARY, CONFIG)[1], labels).mean(),
        "features": compute_losses(fit_linear_model(as_features, labels, SUMMARY, CONFIG)[1], labels).mean(),
    }
    assert losses["noise"] < (losses["alone"] + losses["features"]) / 2


def test_coordinates_have_the_weight_of_other_features_where_they_tell(
    with_coordinates: pd.DataFrame, labels: pd.DataFrame
) -> None:
    names = [name for name in with_coordinates if name.startswith("lsa_")]
    side = labels["label"].map({0: 1, 1: -1, 2: 0}).to_numpy()
    telling = with_coordinates.assign(**{name: with_coordinates[name] + np.float32(0.4) * side for name in names})
    renamed = telling.rename(columns={name: name.replace("lsa", "any") for name in names})
    alone, as_features, as_coordinates = (
        compute_losses(fit_linear_model(table, labels, SUMMARY, SHRUNK)[1], labels).mean()
        for table in (with_coordinates.drop(columns=names), renamed, telling)
    )
    assert as_features < alone - 0.1
    assert as_coordinates == pytest.approx(as_features, abs=0.01)


def make_battles(
    battles: int, seed: int, authors: int = 40, ties: float = 0.3, source: str = "train.csv", taste: float = 1.0
) -> Battles:
    """Battles with noisy votes by authors whose strength is part of their style, which shows in 8 features."""
    rng = np.random.default_rng(seed)
    style = np.random.default_rng(99).normal(size=(authors, 8))
    strength = style[:, 0] - style[:, 1]
    a = rng.integers(0, authors, battles)
    b = (a + rng.integers(1, authors, battles)) % authors
    margin = taste * (strength[a] - strength[b]) / 2
    label = np.where(rng.random(battles) < ties, 2, rng.random(battles) > expit(margin))
    names = [f"style_{number}__diff" for number in range(8)]
    features = pd.DataFrame(style[a] - style[b] + rng.normal(scale=0.5, size=(battles, 8)), columns=names)
    features["chance__pair"] = rng.normal(size=battles)
    ids = pd.DataFrame({ID: [f"{source}-{number}" for number in range(battles)]})
    labels = ids.assign(source=source, prompt_group=ids[ID], fold=np.arange(battles) % 3)
    labels = set_votes(labels, label).assign(model_a=a.astype(str), model_b=b.astype(str))
    return ids.join(features.astype(np.float32)), labels


def forget_models(labels: pd.DataFrame) -> pd.DataFrame:
    return labels.drop(columns=["model_a", "model_b"])


def combine(*parts: Battles) -> Battles:
    features, labels = (pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True))
    return features, labels


def score(features: pd.DataFrame, labels: pd.DataFrame, config: ModellingConfig = CONFIG) -> pd.DataFrame:
    """Out-of-fold logits of the battles of the main source."""
    logits = fit_linear_model(features, labels, SUMMARY, config)[1]
    return logits[(labels["source"] == SUMMARY["main_source"]).to_numpy()]


def test_names_of_models_whose_strength_shows_in_features_lower_the_loss() -> None:
    losses: dict[str, list[float]] = {"named": [], "unnamed": [], "wrongly named": []}
    for seed in range(4):
        features, labels = make_battles(300, seed)
        shuffled = labels[["model_a", "model_b"]].sample(frac=1, random_state=seed).to_numpy()
        wrong = labels.assign(model_a=shuffled[:, 0], model_b=shuffled[:, 1])
        for name, votes in zip(losses, (labels, forget_models(labels), wrong), strict=True):
            losses[name].append(compute_losses(score(features, votes, SHRUNK), labels).mean())
    assert np.less(losses["named"], losses["unnamed"]).all()
    assert np.mean(losses["named"]) < np.mean(losses["unnamed"]) - 0.003
    assert np.mean(losses["named"]) < np.mean(losses["wrongly named"]) - 0.003


def test_names_are_known_of_some_battles_and_unknown_ones_are_learned_as_without_names() -> None:
    features, labels = make_battles(240, 0)
    unknown = labels.assign(model_a=None)
    pd.testing.assert_frame_equal(score(features, unknown), score(features, forget_models(labels)))
    some = labels.assign(model_b=labels["model_b"].where(labels["fold"] == 0))
    assert not score(features, some).equals(score(features, unknown))


def test_a_model_with_a_name_is_not_needed_to_predict() -> None:
    features, labels = make_battles(240, 0)
    model = fit_linear_model(features, labels, SUMMARY, CONFIG)[0]
    assert {name: values.shape for name, values in model.items()} == {
        "side": (3, 8),
        "tie": (3, 1),
        "tie_intercept": (3, 1),
        "side_scale": (8,),
        "tie_mean": (1,),
        "tie_scale": (1,),
        "feature_hashes": (9,),
    }
    assert np.isfinite(predict_linear_logits(features, model)[list(LINEAR_COLUMNS)]).all(axis=None)


@pytest.mark.parametrize("ties", [0.0, 0.8])
def test_how_often_another_source_has_ties_does_not_change_their_rate_in_the_main_one(ties: float) -> None:
    main, other = make_battles(300, 0, ties=0.2), make_battles(600, 1, ties=ties, source="other.csv")
    alone, together = (
        softmax(read_linear_logits(score(features, forget_models(labels))), axis=1)[:, 2].mean()
        for features, labels in (main, combine(main, other))
    )
    rate = (main[1]["label"] == 2).mean()
    assert alone == pytest.approx(rate, abs=0.02)
    assert together == pytest.approx(rate, abs=0.02)


@pytest.mark.parametrize("ties", [0.0, 0.8])
def test_each_source_is_scored_with_ties_of_its_own_and_new_battles_with_those_of_the_main_one(ties: float) -> None:
    main, other = make_battles(300, 0, ties=0.3), make_battles(300, 1, ties=ties, source="other.csv")
    features, labels = combine(main, other)
    model, logits = fit_linear_model(features, forget_models(labels), SUMMARY, CONFIG)
    rates = softmax(read_linear_logits(logits), axis=1)[:, 2]
    assert rates[300:].mean() == pytest.approx(ties, abs=0.03)
    new = softmax(read_linear_logits(predict_linear_logits(other[0], model)), axis=1)[:, 2]
    assert new.mean() == pytest.approx((main[1]["label"] == 2).mean(), abs=0.03)


def test_another_source_with_the_same_taste_helps_a_small_main_one() -> None:
    losses: dict[str, list[float]] = {"alone": [], "same": [], "opposite": []}
    for seed in range(4):
        main = make_battles(90, seed)
        others = (make_battles(900, 100 + seed, source="other.csv", ties=0.0, taste=taste) for taste in (1.0, -1.0))
        for name, (features, labels) in zip(losses, (main, *(combine(main, other) for other in others)), strict=True):
            loss = compute_losses(score(features, forget_models(labels), SHRUNK), main[1]).mean()
            losses[name].append(loss)
    assert np.less(losses["same"], losses["alone"]).all(), losses
    assert np.mean(losses["same"]) < np.mean(losses["alone"]) - 0.01
    assert np.mean(losses["opposite"]) > np.mean(losses["alone"])


def test_another_source_with_the_opposite_taste_does_not_turn_that_of_a_large_main_one() -> None:
    main, other = make_battles(600, 0), make_battles(300, 1, source="other.csv", taste=-1.0)
    alone, together = (
        compute_losses(score(features, forget_models(labels)), main[1]).mean()
        for features, labels in (main, combine(main, other))
    )
    assert together < alone + 0.02


def test_the_main_source_is_the_one_that_the_summary_names() -> None:
    main, other = make_battles(300, 0, ties=0.1), make_battles(300, 1, ties=0.7, source="another.csv")
    features, labels = combine(main, other)
    rates: dict[str, Any] = {}
    for name in ("train.csv", "another.csv"):
        model = fit_linear_model(features, forget_models(labels), {"main_source": name}, CONFIG)[0]
        rates[name] = softmax(read_linear_logits(predict_linear_logits(features, model)), axis=1)[:, 2].mean()
    assert rates["train.csv"] == pytest.approx(0.1, abs=0.04)
    assert rates["another.csv"] == pytest.approx(0.7, abs=0.04)


def test_a_source_that_is_absent_outside_of_two_folds_is_scored_by_the_others() -> None:
    main, (features, labels) = make_battles(300, 0), make_battles(6, 1, source="other.csv")
    table, votes = combine(main, (features, labels.assign(fold=0)))
    logits = fit_linear_model(table, forget_models(votes), SUMMARY, CONFIG)[1]
    assert np.isfinite(logits.drop(columns=ID)).all(axis=None)
    assert logits[SIDE][300:].std() > 0.1


def test_contributions_sum_to_the_logits(model_input: pd.DataFrame, linear_model: Arrays) -> None:
    logits = predict_linear_logits(model_input, linear_model)
    margins, ties = explain_linear_logits(model_input.drop(columns=ID), linear_model)
    np.testing.assert_allclose(margins.sum(axis=1), logits[SIDE], rtol=1e-5, atol=1e-6)
    intercept = linear_model["tie_intercept"].mean()
    np.testing.assert_allclose(ties.sum(axis=1) + intercept, logits[TIE], rtol=1e-5, atol=1e-6)
    is_antisymmetric = model_input.columns.drop(ID).str.endswith("diff")
    assert not margins[:, ~is_antisymmetric].any()
    assert not ties[:, is_antisymmetric].any()


def test_a_model_of_votes_is_the_model_of_one_fold(
    model_input: pd.DataFrame, labels: pd.DataFrame, linear_model: Arrays
) -> None:
    model = fit_on_votes(model_input, labels, CONFIG)
    assert {name: values.shape for name, values in model.items() if name in COEFFICIENTS} == {
        "side": (1, 2),
        "tie": (1, 3),
        "tie_intercept": (1, 1),
    }
    logits, of_folds = (predict_linear_logits(model_input, each) for each in (model, linear_model))
    for name in LINEAR_COLUMNS:
        assert np.corrcoef(logits[name], of_folds[name])[0, 1] > 0.95
    assert compute_losses(logits, labels).mean() < compute_losses(of_folds, labels).mean() + 0.01
