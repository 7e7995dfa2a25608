"""Nodes of the pipeline ``reporting`` that measure the biases which the competition names."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from arena_preference.battles import (
    MODEL_COLUMNS,
    ORIGINAL_ORDER,
    SWAPPED_ORDER,
    FloatArray,
    count_characters,
    length_features,
)
from arena_preference.metrics import (
    as_interval,
    estimate_means,
    estimate_ratios,
    resample_sums,
    select_probabilities,
    tabulate_intervals,
)
from arena_preference.symmetry import FORM_SEPARATOR

from .config import ReportingConfig
from .tables import compute_leads, compute_wins, encode_labels, match_rows

STYLES: Final = ("characters", "list_items", "headers", "bold")
# A penalty as of one battle: it decides nothing unless a style separates the verdicts, which would have no estimate.
_RIDGE: Final = 1.0
_NEWTON_STEPS: Final = 50


def measure_position_bias(
    oof_predictions: pd.DataFrame, base_model_predictions: pd.DataFrame, options: ReportingConfig, seed: int
) -> dict[str, Any]:
    """Measure what the order of the answers does to a model that is asked once, and to the average of both orders.

    Args:
        oof_predictions: Schema ``OutOfFoldPredictions``.
        base_model_predictions: id and three probabilities of each first-level model; those of ``catboost_swapped``
            were asked with the sides exchanged and stand under the sides as the file has them.
        options: Parameters ``reporting``.
        seed: The project's seed.

    Returns:
        The mean probability of A minus that of B ``in_order``, ``swapped``, ``averaged`` (the calibrated predictions)
        and ``observed`` in the verdicts; ``bias``, half of in order minus swapped, which is what standing first is
        worth; ``flips``, the share of battles whose likeliest class changes with the order. Each is
        ``{value, low, high}``.
    """
    first_level = match_rows(base_model_predictions, oof_predictions["id"], "base_model_predictions")
    in_order, swapped = (select_probabilities(first_level, prefix) for prefix in (ORIGINAL_ORDER, SWAPPED_ORDER))
    measured = {
        "in_order": compute_leads(in_order),
        "swapped": compute_leads(swapped),
        "averaged": compute_leads(select_probabilities(oof_predictions)),
        "observed": compute_leads(encode_labels(oof_predictions["label"])),
        "bias": (compute_leads(in_order) - compute_leads(swapped)) / 2,
        "flips": (in_order.argmax(axis=1) != swapped.argmax(axis=1)).astype(float),
    }
    table = estimate_means(
        np.column_stack(list(measured.values())), oof_predictions["prompt_group"], options.n_resamples, seed
    )
    return {name: as_interval(row) for name, row in zip(measured, table.to_dict("records"), strict=True)}


def measure_verbosity_bias(
    oof_predictions: pd.DataFrame, battles: pd.DataFrame, options: ReportingConfig, seed: int
) -> pd.DataFrame:
    """Measure how often the longer answer wins, as predicted and as observed, by how much longer it is.

    Args:
        oof_predictions: Schema ``OutOfFoldPredictions``.
        battles: Training battles, schema ``Battles``. Those with answers of equal length are left out.
        options: Parameters ``reporting``.
        seed: The project's seed.

    Returns:
        One row per bin of equal counts after the row ``bin`` 0, which stands for all battles: ``battles``,
        ``times_longer`` (median ratio of characters), and win rates of the longer answer, a tie counting as half:
        ``predicted``, ``observed`` and their ``difference``, each with ``_low`` and ``_high``. No rows where no
        answer is longer.
    """
    texts = match_rows(battles, oof_predictions["id"], "train.battles")
    characters = np.column_stack([texts[name].map(count_characters) for name in ("response_a", "response_b")])
    log_ratio, distance = length_features(characters).T
    unequal = np.flatnonzero(distance > 0)
    a_is_longer = log_ratio[unequal] > 0
    chosen = oof_predictions.iloc[unequal]
    predicted, observed = (
        np.where(a_is_longer, wins, 1 - wins)
        for wins in (compute_wins(select_probabilities(chosen)), compute_wins(encode_labels(chosen["label"])))
    )
    order = np.argsort(distance[unequal], kind="stable")
    bins = np.array_split(order, min(options.length_bins, len(unequal))) if len(unequal) else []
    members = [np.arange(len(unequal)), *bins] if len(unequal) else []
    table = _compare_win_rates(predicted, observed, members, chosen["prompt_group"], options, seed)
    ratios = [float(np.exp(np.median(distance[unequal][rows]))) for rows in members]
    table.insert(0, "times_longer", ratios)
    table.insert(0, "bin", range(len(members)))
    return table


def measure_self_enhancement(
    oof_predictions: pd.DataFrame, battles: pd.DataFrame, options: ReportingConfig, seed: int
) -> pd.DataFrame:
    """Measure for each chatbot whether the predictions favour its answers beyond what people do.

    Args:
        oof_predictions: Schema ``OutOfFoldPredictions``.
        battles: Training battles, schema ``Battles``, with or without the names of the chatbots.
        options: Parameters ``reporting``.
        seed: The project's seed.

    Returns:
        One row per chatbot, those with the most battles, sorted by ``difference``: ``chatbot``, ``battles``, and its
        win rates, a tie counting as half: ``predicted``, ``observed`` and their ``difference``, each with ``_low`` and
        ``_high``; ``chatbots``, how many there are in all. No rows where the battles name none.
    """
    texts = match_rows(battles, oof_predictions["id"], "train.battles")
    names = pd.concat(
        [texts[name] if name in texts else pd.Series(None, index=texts.index, dtype=object) for name in MODEL_COLUMNS]
    ).reset_index(drop=True)
    wins = [compute_wins(select_probabilities(oof_predictions)), compute_wins(encode_labels(oof_predictions["label"]))]
    predicted, observed = (np.concatenate([win, 1 - win]) for win in wins)
    groups = np.tile(oof_predictions["prompt_group"].to_numpy(), 2)
    counts = names.dropna().value_counts()
    shown = sorted(counts.index, key=lambda name: (-counts[name], name))[: options.top_models]
    members = [np.flatnonzero((names == name).to_numpy(dtype=bool, na_value=False)) for name in shown]
    table = _compare_win_rates(predicted, observed, members, groups, options, seed)
    table.insert(0, "chatbot", shown)
    table["chatbots"] = len(counts)
    return table.sort_values("difference", ascending=False, kind="stable", ignore_index=True)


def measure_formatting_bias(
    oof_predictions: pd.DataFrame, model_input: pd.DataFrame, options: ReportingConfig, seed: int
) -> pd.DataFrame:
    """Measure how much length and formatting sway the verdicts, and how much the predictions.

    The style control of LMArena (Chiang et al., 2024): a logistic regression of the win on the sides' shares of
    characters, list items, headers and bold, a tie counting as half a win each way. It is fitted to the verdicts and
    to the predicted probabilities. Intervals take one Newton step from the estimate in each resampling of the prompt
    groups (Davidson and MacKinnon, 1999).

    Args:
        oof_predictions: Schema ``OutOfFoldPredictions``.
        model_input: Features of the training battles, with ``<style>__share``.
        options: Parameters ``reporting``.
        seed: The project's seed.

    Returns:
        One row per style that differs in some battle: ``style``; the change of the log odds of winning by one standard
        deviation of the share: ``verdicts``, ``predictions`` and their ``difference``, each with ``_low`` and
        ``_high``.
    """
    features = match_rows(model_input, oof_predictions["id"], "train.model_input")
    shares = np.nan_to_num(features[[f"{style}{FORM_SEPARATOR}share" for style in STYLES]].to_numpy(dtype=float))
    spread = np.sqrt((shares**2).mean(axis=0))
    used = spread > 0
    names = [style for style, kept in zip(STYLES, used, strict=True) if kept]
    # The last column is the advantage of standing first, which is no style.
    design = np.column_stack([shares[:, used] / spread[used], np.ones(len(shares))])
    outcomes = (encode_labels(oof_predictions["label"]), select_probabilities(oof_predictions))
    fits = [
        _fit_style(design, compute_wins(outcome), oof_predictions["prompt_group"], options, seed)
        for outcome in outcomes
    ]
    (verdicts, verdict_draws), (predictions, prediction_draws) = fits
    kept = slice(0, len(names))
    columns = {
        "verdicts": tabulate_intervals(verdicts[kept], verdict_draws[:, kept]),
        "predictions": tabulate_intervals(predictions[kept], prediction_draws[:, kept]),
        "difference": tabulate_intervals((predictions - verdicts)[kept], (prediction_draws - verdict_draws)[:, kept]),
    }
    return pd.concat([pd.DataFrame({"style": names}), *_spread_columns(columns)], axis=1)


def _compare_win_rates(
    predicted: FloatArray,
    observed: FloatArray,
    members: list[npt.NDArray[np.intp]],
    groups: npt.ArrayLike,
    options: ReportingConfig,
    seed: int,
) -> pd.DataFrame:
    """Estimate mean predicted and observed wins over sets of rows, and their difference over the same resamplings."""
    inside = np.zeros((len(predicted), len(members)))
    for column, rows in enumerate(members):
        inside[rows, column] = 1.0
    measured = {"predicted": predicted, "observed": observed, "difference": predicted - observed}
    columns = {
        name: estimate_ratios(inside * values[:, None], inside, groups, options.n_resamples, seed)
        if members
        else pd.DataFrame(columns=["value", "low", "high"], dtype=float)
        for name, values in measured.items()
    }
    counts = pd.DataFrame({"battles": [len(rows) for rows in members]}, dtype="int64")
    return pd.concat([counts, *_spread_columns(columns)], axis=1)


def _spread_columns(columns: dict[str, pd.DataFrame]) -> list[pd.DataFrame]:
    return [
        table.rename(columns={"value": name, "low": f"{name}_low", "high": f"{name}_high"})
        for name, table in columns.items()
    ]


def _fit_style(
    design: FloatArray, wins: FloatArray, groups: npt.ArrayLike, options: ReportingConfig, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Fit a logistic regression of wins between 0 and 1; give coefficients (k,) and their draws (draws, k)."""
    size = design.shape[1]
    ridge = _RIDGE * np.eye(size)
    coefficients = np.zeros(size)
    for _ in range(_NEWTON_STEPS):
        gradient, curvature = _differentiate(design, wins, coefficients)
        step = np.linalg.solve(
            curvature.sum(axis=0).reshape(size, size) + ridge, gradient.sum(axis=0) - _RIDGE * coefficients
        )
        coefficients = coefficients + step
        if np.abs(step).max() < 1e-8:
            break
    gradient, curvature = _differentiate(design, wins, coefficients)
    sums = resample_sums(np.hstack([gradient, curvature]), groups, options.n_resamples, seed)
    gradients = sums[:, :size, None] - _RIDGE * coefficients[:, None]
    steps = np.linalg.solve(sums[:, size:].reshape(-1, size, size) + ridge, gradients)
    return coefficients, coefficients + steps[:, :, 0]


def _differentiate(design: FloatArray, wins: FloatArray, coefficients: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give each row's share of the gradient, shape (n, k), and of the negative Hessian, shape (n, k * k)."""
    expected = expit(design @ coefficients)
    products = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    return design * (wins - expected)[:, None], products * (expected * (1 - expected))[:, None]
