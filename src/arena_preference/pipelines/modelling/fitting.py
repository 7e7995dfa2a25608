"""Fitting: joins the feature tables, fits CatBoost models and scores battles out of fold."""

import json
import logging
from typing import Any, Final

import numpy as np
import pandas as pd
from catboost import CatBoost, sum_models
from scipy.special import softmax

from arena_preference.battles import (
    ID,
    LABEL_COLUMNS,
    N_CLASSES,
    ORIGINAL_ORDER,
    SWAPPED_ORDER,
    FloatArray,
    align_rows,
    has_values,
)
from arena_preference.metrics import compute_losses
from arena_preference.targets import SOFT_LABELS, read_targets, read_votes

from .boosting import fit_catboost, predict_both_orders
from .calibration import calibrate_out_of_fold, fit_calibration
from .config import ModellingConfig
from .dropout import drop_consensus
from .linear_model import select_fold_logits

logger = logging.getLogger(__name__)

# Key of the preference model's metadata: the number of trees of each fold's models, in the order of the folds.
_FOLD_TREES: Final = "fold_trees"


def join_features(**tables: pd.DataFrame) -> pd.DataFrame:
    """Join the feature tables of one split, given by feature group, in the order of the first table.

    Raises:
        ValueError: If the tables describe different battles.
    """
    (_, first), *others = tables.items()
    aligned = (align_rows(table, first[ID], f"The table of {group} features") for group, table in others)
    # The id is the first column.
    return pd.concat([first.reset_index(drop=True), *(table.iloc[:, 1:] for table in aligned)], axis=1)


def list_feature_groups(**tables: pd.DataFrame) -> dict[str, list[str]]:
    """Return the names of the features by group, without empty groups."""
    return {group: table.columns.drop(ID).to_list() for group, table in tables.items() if has_values(table)}


def fit_preference_model(
    model_input: pd.DataFrame,
    oof_linear_logits: pd.DataFrame,
    cross_encoder_logits: pd.DataFrame,
    labels: pd.DataFrame,
    config: ModellingConfig,
    seed: int,
    unlabelled: pd.DataFrame | None = None,
) -> tuple[CatBoost, dict[str, Any], pd.DataFrame]:
    """Fit the ensemble of CatBoost models and its calibration; further battles are as in ``fit_fold_models``.

    Returns:
        The preference model, the average of all models; the calibration (see ``fit_calibration``); and the out-of-fold
        logits (see ``fit_fold_models``).
    """
    model, oof_logits = fit_fold_models(model_input, oof_linear_logits, labels, config, seed, unlabelled)
    calibration = fit_calibration(oof_logits, cross_encoder_logits, labels, config)
    return model, calibration, oof_logits


def fit_fold_models(
    model_input: pd.DataFrame,
    oof_linear_logits: pd.DataFrame,
    labels: pd.DataFrame,
    config: ModellingConfig,
    seed: int,
    unlabelled: pd.DataFrame | None = None,
) -> tuple[CatBoost, pd.DataFrame]:
    """Fit CatBoost models outside each fold, with consecutive seeds, and score the fold.

    All of them start from the logits of the linear model, which are part of the out-of-fold logits. Each fold's models
    also learn from the battles in ``unlabelled``, if there are any: it has their features and, for each fold k, the
    logits ``linear_side__diff_<k>`` and ``linear_tie__pair_<k>`` and the weighted probabilities ``label_<class>_<k>``
    by models that have seen no label of fold k.

    Returns:
        The average of all models as one CatBoost model; and the out-of-fold logits: id, fold and the logits of both
        orders, columns ``catboost_<order>_order_<label>``.
    """
    aligned = align_rows(labels, model_input[ID], "labels")
    targets, votes, fold = read_targets(aligned), read_votes(aligned), aligned["fold"].to_numpy()
    models, trees, logits = [], [], np.empty((2, len(fold), N_CLASSES))
    dropped = drop_consensus(model_input, config.consensus_dropout)
    for number in np.unique(fold):
        linear_logits = select_fold_logits(oof_linear_logits, number)
        features, learned = (
            join_tables(table, linear_logits, "oof_linear_logits").drop(columns=ID) for table in (model_input, dropped)
        )
        held_out = fold == number
        seeds = range(seed, seed + config.seeds_per_fold)
        examples, their_votes = learned[~held_out], votes[~held_out]
        if unlabelled is not None:
            others = join_tables(unlabelled, select_fold_logits(unlabelled, number), "unlabelled")
            examples = pd.concat([examples, others[examples.columns]], ignore_index=True)
            soft_votes = others[[f"{name}_{number}" for name in SOFT_LABELS]].to_numpy(dtype=float)
            their_votes = np.concatenate([their_votes, soft_votes])
        of_fold = [fit_catboost(examples, their_votes, config, seed) for seed in seeds]
        logits[:, held_out] = np.mean([predict_both_orders(model, features[held_out]) for model in of_fold], axis=0)
        loss = compute_losses(softmax(logits[:, held_out].mean(axis=0), axis=1), targets[held_out]).mean()
        logger.info("fold %d: log loss %.4f on %d battles", number, loss, held_out.sum())
        models += of_fold
        trees.append(sum(model.tree_count_ for model in of_fold))
    oof_logits = aligned[[ID, "fold"]].copy()
    for prefix, of_order in zip((ORIGINAL_ORDER, SWAPPED_ORDER), logits, strict=True):
        oof_logits[[f"{prefix}{name}" for name in LABEL_COLUMNS]] = of_order
    ensemble = sum_models(models, weights=[1 / len(models)] * len(models))
    ensemble.get_metadata()[_FOLD_TREES] = json.dumps(trees)
    return ensemble, oof_logits


def select_fold_model(preference_model: CatBoost, fold: int) -> CatBoost:
    """Return the average of the models in a preference model that have seen no label of the fold."""
    trees = json.loads(preference_model.get_metadata()[_FOLD_TREES])
    model = preference_model.copy()
    model.shrink(sum(trees[: fold + 1]), sum(trees[:fold]))
    # Each leaf has been divided by the number of all models; CatBoost's models of several classes have no bias.
    model.set_scale_and_bias(len(trees), [0.0] * N_CLASSES)
    return model


def compute_oof_losses(
    model_input: pd.DataFrame, oof_linear_logits: pd.DataFrame, labels: pd.DataFrame, config: ModellingConfig, seed: int
) -> FloatArray:
    """Return the calibrated out-of-fold log loss of each battle, shape (n,), by one CatBoost model per fold."""
    single = config.model_copy(update={"seeds_per_fold": 1})
    _, oof_logits = fit_fold_models(model_input, oof_linear_logits, labels, single, seed)
    no_cross_encoder = oof_logits[[ID]]
    calibration = fit_calibration(oof_logits, no_cross_encoder, labels, config)
    probabilities = calibrate_out_of_fold(oof_logits, no_cross_encoder, calibration)
    return compute_losses(probabilities, read_targets(align_rows(labels, model_input[ID], "labels")))


def join_tables(features: pd.DataFrame, others: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return two tables of the same battles side by side, in the order of the first."""
    aligned = align_rows(others, features[ID], name)
    return pd.concat([features.reset_index(drop=True), aligned.iloc[:, 1:]], axis=1)
