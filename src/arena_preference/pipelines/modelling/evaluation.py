"""Evaluation: metrics of the out-of-fold predictions, the learning curve and the ablation of feature groups."""

import logging
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from arena_preference.battles import ID, N_CLASSES, FloatArray, align_rows
from arena_preference.metrics import (
    compute_losses,
    estimate_calibration_error,
    estimate_intervals,
    select_probabilities,
)
from arena_preference.targets import read_targets, read_votes

from .boosting import read_linear_logits
from .calibration import calibrate_out_of_fold, choose_tie_prior, fit_calibration, set_tie_prior
from .config import ModellingConfig
from .fitting import compute_oof_losses
from .linear_model import fit_linear_model, fit_on_votes, predict_linear_logits

logger = logging.getLogger(__name__)


def evaluate_predictions(
    oof_predictions: pd.DataFrame,
    oof_logits: pd.DataFrame,
    ingestion_summary: dict[str, Any],
    simulation_summary: dict[str, Any],
    config: ModellingConfig,
    seed: int,
) -> dict[str, Any]:
    """Metrics of the out-of-fold predictions of the main source's battles with 95 % intervals.

    Returns:
        ``log_loss``, ``accuracy``, ``prior_log_loss``, ``length_log_loss`` and ``expected_calibration_error``, each
        ``{value, low, high}``; ``source``, ``battles`` and ``folds``. With cross encoders also ``blend``, the log
        losses of ``cross_encoders`` alone, of ``catboost`` alone with a temperature of its own, of their ``blend``, and
        the paired ``difference`` of the last two, negative where the cross encoders help. For simulated battles also
        ``bayes_optimal_log_loss``.
    """
    source = ingestion_summary["main_source"]
    in_source = (oof_predictions["source"] == source).to_numpy()
    scored = oof_predictions[in_source]
    label, targets = scored["label"].to_numpy(), read_targets(scored)
    probabilities = select_probabilities(scored)
    bootstrap = (scored["prompt_group"], config.n_resamples, seed)
    values = {
        f"{prefix}log_loss": compute_losses(select_probabilities(scored, prefix), targets)
        for prefix in ("", "prior_", "length_")
    }
    values["accuracy"] = (probabilities.argmax(axis=1) == label).astype(float)
    metrics: dict[str, Any] = estimate_intervals(values, *bootstrap)
    metrics["expected_calibration_error"] = estimate_calibration_error(
        probabilities, targets, config.n_bins, *bootstrap
    )
    _log_intervals(metrics)
    if "cross_encoder_winner_tie" in oof_predictions:
        no_cross_encoder = oof_logits[[ID]]
        own = fit_calibration(oof_logits, no_cross_encoder, oof_predictions, config)
        catboost = calibrate_out_of_fold(oof_logits, no_cross_encoder, own)
        losses = {
            "cross_encoders": compute_losses(select_probabilities(scored, "cross_encoder_"), targets),
            "catboost": compute_losses(catboost[in_source], targets),
            "blend": values["log_loss"],
        }
        losses["difference"] = losses["blend"] - losses["catboost"]
        metrics["blend"] = estimate_intervals(losses, *bootstrap)
        _log_intervals(metrics["blend"])
    optimal = find_bayes_optimal_log_loss(ingestion_summary, simulation_summary)
    if optimal is not None:
        metrics["bayes_optimal_log_loss"] = optimal
    return {**metrics, "source": source, "battles": len(label), "folds": int(scored["fold"].nunique())}


def find_bayes_optimal_log_loss(ingestion_summary: dict[str, Any], simulation_summary: dict[str, Any]) -> float | None:
    """Bayes-optimal log loss in nats if the main source has as many rows as the simulation wrote, else None."""
    if not simulation_summary:
        return None
    simulated = simulation_summary["train"]
    for summary in ingestion_summary["sources"]:
        rows = summary["battles"] + sum(summary["rejected"].values())
        if summary["source"] == ingestion_summary["main_source"] and rows == simulated["battles"]:
            return float(simulated["bayes_optimal_log_loss"])
    return None


def measure_learning_curve(
    model_input: pd.DataFrame, labels: pd.DataFrame, config: ModellingConfig, seed: int
) -> pd.DataFrame:
    """Out-of-fold log loss by the number of battles that a model is fitted on.

    Each point is the linear model alone, without calibration. So points can be compared with one another, and not with
    the log loss of the final model.

    Returns:
        One row per fraction in ``train_sizes``: ``battles`` (the mean number per model), ``log_loss``, and its 95 %
        interval ``low`` to ``high``.
    """
    aligned = align_rows(labels, model_input[ID], "labels")
    votes, groups, fold = read_votes(aligned), aligned["prompt_group"], aligned["fold"].to_numpy()
    # Prompt groups keep their ranks at every size, so that smaller sets are subsets of larger ones.
    ranks = pd.Series(np.random.default_rng(seed).random(groups.nunique()), index=groups.unique())
    rank = groups.map(ranks).to_numpy()
    points = []
    for fraction in config.train_sizes:
        logits, sizes = np.empty((len(aligned), N_CLASSES)), []
        for number in np.unique(fold):
            held_out = fold == number
            chosen = ~held_out & (rank <= np.quantile(rank[~held_out], fraction))
            # At least one battle of each class, so that a small set can be fitted.
            for missing in np.flatnonzero(votes[~held_out].any(axis=0) & ~votes[chosen].any(axis=0)):
                chosen[np.flatnonzero(~held_out & (votes[:, missing] > 0))[0]] = True
            model = fit_on_votes(model_input[chosen], aligned[chosen], config)
            logits[held_out] = read_linear_logits(predict_linear_logits(model_input[held_out], model))
            sizes.append(chosen.sum())
        probabilities = set_tie_prior(softmax(logits, axis=1), choose_tie_prior(votes, config))
        losses = {"log_loss": compute_losses(probabilities, read_targets(aligned))}
        interval = estimate_intervals(losses, groups, config.n_resamples, seed)["log_loss"]
        points.append((np.mean(sizes), *interval.values()))
        logger.info("learning curve: log loss %.4f with %.0f battles", interval["value"], np.mean(sizes))
    return pd.DataFrame(points, columns=["battles", "log_loss", "low", "high"], dtype=float)


def measure_ablation(
    model_input: pd.DataFrame,
    feature_groups: dict[str, list[str]],
    labels: pd.DataFrame,
    ingestion_summary: dict[str, Any],
    config: ModellingConfig,
    seed: int,
) -> pd.DataFrame:
    """Out-of-fold log loss without each feature group, by one model per fold.

    Returns:
        One row per group, none unless ``config.ablation``: ``left_out``, ``features`` (their number), ``log_loss``
        without them, and its ``difference`` to the log loss with all features, positive where the group helps, with
        its paired 95 % interval ``low`` to ``high``.
    """
    rows: list[tuple[Any, ...]] = []

    def score(features: pd.DataFrame) -> FloatArray:
        linear_logits = fit_linear_model(features, labels, ingestion_summary, config)[1]
        return compute_oof_losses(features, linear_logits, labels, config, seed)

    if config.ablation:
        groups = align_rows(labels, model_input[ID], "labels")["prompt_group"]
        with_all = score(model_input)
        for group, names in feature_groups.items():
            losses = score(model_input.drop(columns=names))
            intervals = estimate_intervals({group: losses - with_all}, groups, config.n_resamples, seed)
            _log_intervals(intervals, "log loss without ")
            rows.append((group, len(names), losses.mean(), *intervals[group].values()))
    return pd.DataFrame(rows, columns=["left_out", "features", "log_loss", "difference", "low", "high"])


def _log_intervals(intervals: dict[str, dict[str, float]], prefix: str = "") -> None:
    for name, interval in intervals.items():
        logger.info("%s%s %.4f [%.4f, %.4f]", prefix, name, *interval.values())
