"""Nodes of the pipeline ``modelling`` that fit models to learn about models: what battles and features are worth."""

import logging
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from arena_preference.battles import ID, N_CLASSES, FloatArray, align_rows
from arena_preference.metrics import as_interval, compute_losses, estimate_means

from .bag_of_words import SCORE_COLUMNS
from .boosting import fit_catboost, predict_logits
from .config import ModellingConfig
from .nodes import blend_out_of_fold, fit_calibration, fit_fold_models, read_labels, read_logits

logger = logging.getLogger(__name__)


def compute_oof_losses(
    model_input: pd.DataFrame,
    oof_bow_logits: pd.DataFrame,
    labels: pd.DataFrame,
    options: ModellingConfig,
    seed: int,
) -> FloatArray:
    """Compute the calibrated out-of-fold log loss of each training battle by CatBoost, without cross encoders.

    Args:
        model_input: Features of the training battles.
        oof_bow_logits: What ``fit_bow_models`` gave.
        labels: Schema ``Labels``, of the same battles.
        options: Parameters ``modelling``.
        seed: The project's seed.

    Returns:
        Shape (n,), in the order of ``model_input``.
    """
    _, oof_logits = fit_fold_models(model_input, oof_bow_logits, labels, options, seed)
    without = oof_logits[[ID]]
    logits = blend_out_of_fold(oof_logits, without, fit_calibration(oof_logits, without, labels))
    return compute_losses(softmax(logits, axis=1), read_labels(labels, model_input)[0])


def measure_blend(
    oof_logits: pd.DataFrame,
    cross_encoder_logits: pd.DataFrame,
    calibration: dict[str, Any],
    labels: pd.DataFrame,
    options: ModellingConfig,
    seed: int,
) -> pd.DataFrame:
    """Measure what cross encoders add to CatBoost: log losses on the same folds, and their paired difference.

    Args:
        oof_logits: What ``fit_fold_models`` gave.
        cross_encoder_logits: Schema ``Logits``, out of fold; only the column id where there is no cross encoder.
        calibration: What ``fit_calibration`` gave.
        labels: Schema ``Labels``, of the same battles.
        options: Parameters ``modelling``.
        seed: The project's seed.

    Returns:
        Columns ``model``, ``value``, ``low`` and ``high`` (95 %); rows ``cross encoders``, ``catboost`` (with a
        temperature of its own), ``blend`` and ``difference``, negative where the blend is better than CatBoost. No row
        where there is no cross encoder.
    """
    columns = ["model", "value", "low", "high"]
    if len(cross_encoder_logits.columns) == 1:
        return pd.DataFrame(columns=columns)
    labelled, without = align_rows(labels, oof_logits[ID], "labels"), oof_logits[[ID]]
    logits = {
        "cross encoders": read_logits(cross_encoder_logits, oof_logits),
        "catboost": blend_out_of_fold(oof_logits, without, fit_calibration(oof_logits, without, labels)),
        "blend": blend_out_of_fold(oof_logits, cross_encoder_logits, calibration),
    }
    target = labelled["label"].to_numpy()
    losses = {name: compute_losses(softmax(of_model, axis=1), target) for name, of_model in logits.items()}
    losses["difference"] = losses["blend"] - losses["catboost"]
    table = estimate_means(np.column_stack(list(losses.values())), labelled["prompt_group"], options.n_resamples, seed)
    table.insert(0, "model", list(losses))
    for row in table.itertuples(index=False):
        logger.info("%s: log loss %.4f [%.4f, %.4f]", *row)
    return table


def measure_learning_curve(
    model_input: pd.DataFrame, labels: pd.DataFrame, options: ModellingConfig, seed: int
) -> pd.DataFrame:
    """Score the folds by models that were fitted on a share of the battles outside them, in whole prompt groups.

    Each fold has one CatBoost model without the bag-of-words model's scores, and no temperature, so that the points differ in
    the number of battles alone.

    Args:
        model_input: Features of the training battles.
        labels: Schema ``Labels``, of the same battles.
        options: Parameters ``modelling``.
        seed: The project's seed.

    Returns:
        One row for each of ``options.train_sizes``: ``battles`` (the mean number that a model was fitted on),
        ``log_loss``, and its 95 % interval ``low`` to ``high``.
    """
    labelled = align_rows(labels, model_input[ID], "labels")
    target, groups, fold = labelled["label"].to_numpy(), labelled["prompt_group"], labelled["fold"].to_numpy()
    features = model_input.drop(columns=ID)
    # A group's place in the queue is the same at every share, so that smaller sets lie in larger ones.
    queue = pd.Series(np.random.default_rng(seed).random(groups.nunique()), index=groups.unique())
    place = groups.map(queue).to_numpy()
    points = []
    for share in options.train_sizes:
        logits, sizes = np.empty((len(features), N_CLASSES)), []
        for number in np.unique(fold):
            held_out = fold == number
            chosen = ~held_out & (place <= np.quantile(place[~held_out], share))
            # One battle of each class outside the fold, so that a small set can be learned from.
            for label in np.setdiff1d(range(N_CLASSES), target[chosen]):
                chosen[np.flatnonzero(~held_out & (target == label))[0]] = True
            model = fit_catboost(features[chosen], target[chosen], options, seed)
            logits[held_out] = predict_logits(model, features[held_out])
            sizes.append(chosen.sum())
        losses = compute_losses(softmax(logits, axis=1), target)
        figure = as_interval(estimate_means(losses[:, None], groups, options.n_resamples, seed).iloc[0])
        points.append((np.mean(sizes), *figure.values()))
    return pd.DataFrame(points, columns=["battles", "log_loss", "low", "high"], dtype=float)


def measure_ablation(
    model_input: pd.DataFrame,
    oof_bow_logits: pd.DataFrame,
    feature_groups: dict[str, list[str]],
    labels: pd.DataFrame,
    options: ModellingConfig,
    seed: int,
) -> pd.DataFrame:
    """Measure what each family of features is worth: the log loss without it, on the same folds, one model a fold.

    Args:
        model_input: Features of the training battles.
        oof_bow_logits: What ``fit_bow_models`` gave.
        feature_groups: What ``list_feature_groups`` gave.
        labels: Schema ``Labels``, of the same battles.
        options: Parameters ``modelling``.
        seed: The project's seed.

    Returns:
        One row per family, none where ``options.ablation`` is off: ``left_out``, ``features`` (how many),
        ``log_loss`` without it, and ``difference`` to the log loss with all of them, positive where the family earns
        its place, with its paired 95 % interval ``low`` to ``high``.
    """
    columns = ["left_out", "features", "log_loss", "difference", "low", "high"]
    if not options.ablation:
        return pd.DataFrame(columns=columns)
    groups = align_rows(labels, model_input[ID], "labels")["prompt_group"]
    single = options.model_copy(update={"seeds_per_fold": 1})

    def compute_losses_without(family: list[str]) -> FloatArray:
        kept = model_input.drop(columns=family, errors="ignore")
        scores = oof_bow_logits
        if set(family) & set(SCORE_COLUMNS):
            # The bag-of-words model's columns stay and say nothing.
            scores = scores.assign(**dict.fromkeys(scores.columns.drop([ID, "fold"]), np.float32(0)))
        return compute_oof_losses(kept, scores, labels, single, seed)

    with_all = compute_losses_without([])
    rows = []
    for name, family in feature_groups.items():
        without = compute_losses_without(family)
        difference = (without - with_all)[:, None]
        figure = as_interval(estimate_means(difference, groups, options.n_resamples, seed).iloc[0])
        rows.append((name, len(family), float(without.mean()), *figure.values()))
        logger.info("without %s: log loss %.4f, %+.4f [%+.4f, %+.4f]", name, without.mean(), *figure.values())
    return pd.DataFrame(rows, columns=columns)
