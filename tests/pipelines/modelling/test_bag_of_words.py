import numpy as np
import pandas as pd
import pytest

from arena_preference.pipelines.modelling.bag_of_words import (
    BOW_COLUMNS,
    Arrays,
    fit_bow_model,
    predict_bow_logits,
)
from arena_preference.symmetry import Features
from arena_preference.targets import SOFT_LABELS

from .conftest import CONFIG, change_labels, make_differences, set_votes, swap_differences


def test_no_label_of_a_fold_reaches_its_logits(
    tfidf_differences: pd.DataFrame, labels: pd.DataFrame, oof_bow_logits: pd.DataFrame
) -> None:
    after = fit_bow_model(tfidf_differences, change_labels(labels, labels["fold"] == 1), CONFIG)[1]
    own, others = ([f"{name}_{fold}" for name in BOW_COLUMNS for fold in folds] for folds in ((1,), (0, 2)))
    pd.testing.assert_frame_equal(after[own], oof_bow_logits[own])
    assert not after[others].equals(oof_bow_logits[others])


def test_the_model_of_a_fold_has_seen_no_label_of_it(
    tfidf_differences: pd.DataFrame, labels: pd.DataFrame, bow_model: Arrays, oof_bow_logits: pd.DataFrame
) -> None:
    changed = fit_bow_model(tfidf_differences, change_labels(labels, labels["fold"] == 1), CONFIG)[0]
    for name, values in bow_model.items():
        assert [np.array_equal(one, other) for one, other in zip(values, changed[name], strict=True)] == [0, 1, 0]
    in_fold = labels["fold"] == 1
    logits = predict_bow_logits(tfidf_differences, bow_model, fold=1)[list(BOW_COLUMNS)]
    np.testing.assert_allclose(logits[in_fold], oof_bow_logits.loc[in_fold, list(BOW_COLUMNS)], rtol=1e-5, atol=1e-6)


def test_a_battle_is_never_scored_by_a_model_that_saw_it(
    tfidf_differences: pd.DataFrame, labels: pd.DataFrame, oof_bow_logits: pd.DataFrame
) -> None:
    one = labels.index[labels["fold"] == 2][0]
    after = fit_bow_model(tfidf_differences, change_labels(labels, labels.index == one), CONFIG)[1]
    pd.testing.assert_series_equal(after.loc[one], oof_bow_logits.loc[one])
    assert not after.equals(oof_bow_logits)


def test_unnumbered_columns_are_those_of_the_own_fold(oof_bow_logits: pd.DataFrame) -> None:
    for fold, rows in oof_bow_logits.groupby("fold"):
        own = rows[[f"{name}_{fold}" for name in BOW_COLUMNS]]
        np.testing.assert_array_equal(rows[list(BOW_COLUMNS)], own)


def test_words_predict_the_better_side_and_a_swap_exchanges_the_prediction(labels: pd.DataFrame) -> None:
    informative = make_differences(labels["label"], labels["id"], informative=True)
    model, oof_bow_logits = fit_bow_model(informative, labels, CONFIG)
    logits = Features.validate(predict_bow_logits(informative, model))
    side, tie = BOW_COLUMNS
    decided = labels["label"] < 2
    assert ((logits[side] > 0) == (labels["label"] == 0))[decided].mean() > 0.8
    swapped = predict_bow_logits(swap_differences(informative), model)
    np.testing.assert_array_equal(swapped[side], -logits[side])
    np.testing.assert_array_equal(swapped[tie], logits[tie])
    assert np.corrcoef(oof_bow_logits[side], logits[side])[0, 1] > 0.8


def test_a_model_of_another_vocabulary_is_rejected(tfidf_differences: pd.DataFrame, bow_model: Arrays) -> None:
    with pytest.raises(ValueError, match=r"19 words.* 20.*--params=from_run"):
        predict_bow_logits(tfidf_differences, {**bow_model, "side": bow_model["side"][:, 1:]})


def test_a_soft_label_counts_as_its_votes(tfidf_differences: pd.DataFrame, labels: pd.DataFrame) -> None:
    other = change_labels(labels, labels["fold"] >= 0)
    # Two rows with one vote each, and one row with both votes.
    twice = pd.concat([labels, other.assign(id=other["id"] + "-2")], ignore_index=True)
    differences = pd.concat([tfidf_differences] * 2, ignore_index=True).assign(id=twice["id"])
    both = labels.assign(**(labels[SOFT_LABELS] + other[SOFT_LABELS]) / 2, weight=2.0)
    model, expected = fit_bow_model(tfidf_differences, both, CONFIG)[0], fit_bow_model(differences, twice, CONFIG)[0]
    for name, values in model.items():
        np.testing.assert_allclose(values, expected[name], atol=2e-3)


def test_without_ties_they_are_unlikely_and_without_a_side_the_remedy_is_named(
    tfidf_differences: pd.DataFrame, labels: pd.DataFrame
) -> None:
    two_classes = set_votes(labels, labels["label"] % 2)
    model, oof_bow_logits = fit_bow_model(tfidf_differences, two_classes, CONFIG)
    assert not model["tie"].any()
    assert (oof_bow_logits["bow_tie__pair"] < -4).all()
    assert oof_bow_logits["bow_side__diff"].std() > 0
    one_side = set_votes(labels, labels["label"].replace(1, 2))
    with pytest.raises(ValueError, match=r"winner_model_b.*exchange the responses"):
        fit_bow_model(tfidf_differences, one_side, CONFIG)
