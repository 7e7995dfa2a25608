"""Node of the pipeline ``reporting`` that measures the biases that the competition names."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from arena_preference.battles import (
    ID,
    MODEL_COLUMNS,
    ORIGINAL_ORDER,
    PREFERS_A,
    PREFERS_B,
    SWAPPED_ORDER,
    TEXT_COLUMNS,
    FloatArray,
    align_rows,
    count_characters,
    length_features,
)
from arena_preference.metrics import estimate_intervals, estimate_ratios, select_probabilities
from arena_preference.symmetry import FORM_SEPARATOR
from arena_preference.targets import read_targets

from .config import ReportingConfig
from .performance import to_records

STYLES: Final = ("characters", "list_items", "headers", "bold")


def measure_biases(
    oof_predictions: pd.DataFrame,
    battles: pd.DataFrame,
    model_input: pd.DataFrame,
    ingestion_summary: dict[str, Any],
    config: ReportingConfig,
    seed: int,
) -> dict[str, Any]:
    """Measure position, verbosity, self-enhancement and formatting bias of the main source's out-of-fold predictions.

    Returns:
        ``position``, and the rows of the tables ``verbosity``, ``self_enhancement`` and ``formatting``, as returned by
        the functions below; ``models``, the number of models that the battles name; ``n_resamples`` of the intervals.
    """
    texts = align_rows(battles, oof_predictions[ID], "train_battles")
    features = align_rows(model_input, oof_predictions[ID], "train_model_input")
    in_source = (oof_predictions["source"] == ingestion_summary["main_source"]).to_numpy()
    oof_predictions, texts, features = (
        table[in_source].reset_index(drop=True) for table in (oof_predictions, texts, features)
    )
    names, groups = texts.reindex(columns=list(MODEL_COLUMNS)), oof_predictions["prompt_group"].to_numpy()
    predicted, observed = ((1 + margin) / 2 for margin in compute_margins(oof_predictions))
    return {
        "position": measure_position_bias(oof_predictions, config, seed),
        "verbosity": to_records(measure_verbosity_bias(predicted, observed, texts, groups, config, seed)),
        "self_enhancement": to_records(measure_self_enhancement(predicted, observed, names, groups, config, seed)),
        "formatting": to_records(measure_formatting_bias(predicted, observed, features, groups)),
        "models": int(names.stack().nunique()),
        "n_resamples": config.n_resamples,
    }


def compute_margins(oof_predictions: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """Return A minus B, shape (n,), of the final probabilities and of the votes."""
    return subtract_b(select_probabilities(oof_predictions)), subtract_b(read_targets(oof_predictions))


def subtract_b(probabilities: FloatArray) -> FloatArray:
    """Return the probability of A minus that of B, shape (n,)."""
    return probabilities[:, PREFERS_A] - probabilities[:, PREFERS_B]


def measure_position_bias(
    oof_predictions: pd.DataFrame, config: ReportingConfig, seed: int
) -> dict[str, dict[str, float]]:
    """Measure how the order of the responses changes a single pass of CatBoost, and the average of both orders.

    Returns:
        The mean probability of A minus that of B in the ``original_order``, in the ``swapped_order`` (mapped back, so
        that A is the A of the data), ``averaged`` (the final predictions) and in the ``votes``; ``bias``, half of
        original minus swapped, the advantage of the first response; ``flips``, the fraction of battles whose likeliest
        class changes with the order. Each is ``{value, low, high}``.
    """
    original, swapped = (select_probabilities(oof_predictions, prefix) for prefix in (ORIGINAL_ORDER, SWAPPED_ORDER))
    averaged, votes = compute_margins(oof_predictions)
    measured = {
        "original_order": subtract_b(original),
        "swapped_order": subtract_b(swapped),
        "averaged": averaged,
        "votes": votes,
        "bias": (subtract_b(original) - subtract_b(swapped)) / 2,
        "flips": (original.argmax(axis=1) != swapped.argmax(axis=1)).astype(float),
    }
    return estimate_intervals(measured, oof_predictions["prompt_group"], config.n_resamples, seed)


def measure_verbosity_bias(
    predicted: FloatArray,
    observed: FloatArray,
    texts: pd.DataFrame,
    groups: npt.ArrayLike,
    config: ReportingConfig,
    seed: int,
) -> pd.DataFrame:
    """Measure how often the longer response wins, by how much longer it is; responses of equal length do not count.

    Returns:
        One row for all battles (``bin`` 0), then one per bin of equal counts: ``bin``, ``length_ratio`` (median), and
        the columns of ``compare_win_rates``. Empty if no response is longer.
    """
    characters = np.column_stack([texts[name].map(count_characters) for name in TEXT_COLUMNS[1:]])
    log_ratio, distance = length_features(characters).T
    unequal = np.flatnonzero(distance > 0)
    by_ratio = unequal[np.argsort(distance[unequal], kind="stable")]
    members = [unequal, *np.array_split(by_ratio, min(config.length_bins, len(unequal)))] if len(unequal) else []
    predicted, observed = (np.where(log_ratio > 0, wins, 1 - wins) for wins in (predicted, observed))
    table = compare_win_rates(predicted, observed, members, groups, config, seed)
    table.insert(0, "length_ratio", [float(np.exp(np.median(distance[rows]))) for rows in members])
    table.insert(0, "bin", range(len(members)))
    return table


def measure_self_enhancement(
    predicted: FloatArray,
    observed: FloatArray,
    names: pd.DataFrame,
    groups: npt.ArrayLike,
    config: ReportingConfig,
    seed: int,
) -> pd.DataFrame:
    """Measure for each model whether the predictions favour its responses more than people do.

    Returns:
        One row per model, those with the most battles, by descending ``difference``: ``model``, and the columns of
        ``compare_win_rates``. Empty if the battles name no models.
    """
    both_sides = pd.concat([names[column] for column in MODEL_COLUMNS], ignore_index=True)
    counts = both_sides.dropna().value_counts()
    shown = sorted(counts.index, key=lambda name: (-counts[name], name))[: config.top_models]
    members = [np.flatnonzero((both_sides == name).to_numpy(dtype=bool, na_value=False)) for name in shown]
    predicted, observed = (np.concatenate([wins, 1 - wins]) for wins in (predicted, observed))
    table = compare_win_rates(predicted, observed, members, np.tile(groups, 2), config, seed)
    table.insert(0, "model", shown)
    return table.sort_values("difference", ascending=False, kind="stable", ignore_index=True)


def measure_formatting_bias(
    predicted: FloatArray, observed: FloatArray, features: pd.DataFrame, groups: npt.ArrayLike
) -> pd.DataFrame:
    """Measure how much length and formatting sway votes and predictions, by the style control of LMArena.

    A logistic regression of A's win on the normalized differences of characters, list items, headers and bold (Chiang
    et al., 2024). Votes and predictions are fitted at once, so that the intervals of their difference take the pairing
    into account; they are robust to clusters of battles with the same prompt. A tie in which only that style differs is
    added for each style (a log-F prior, Greenland and Mansournia, 2015): coefficients stay finite where a style
    separates the votes.

    Returns:
        One row per style that differs in some battle: ``style``, and the change of the log odds of winning by one
        standard deviation in ``votes`` and ``predictions`` and their ``difference``, each with ``_low`` and ``_high``.
    """
    styles = np.nan_to_num(features[[f"{style}{FORM_SEPARATOR}reldiff" for style in STYLES]].to_numpy(dtype=float))
    spread = np.sqrt((styles**2).mean(axis=0))
    used = np.flatnonzero(spread > 0)
    table = pd.DataFrame({"style": [STYLES[column] for column in used]})
    if table.empty:
        return table
    # The last column is the advantage of the first response.
    size = len(used) + 1
    prior = np.eye(size)
    design = np.vstack([np.column_stack([styles[:, used] / spread[used], np.ones(len(styles))]), prior])
    wins = np.concatenate([observed, np.full(size, 0.5), predicted, np.full(size, 0.5)])
    codes, names = pd.factorize(np.asarray(groups))
    clusters = np.tile(np.concatenate([codes, len(names) + np.arange(size)]), 2)
    model = GLM(wins, np.kron(np.eye(2), design), family=Binomial())
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": clusters})
    for name, weights in {"votes": (1, 0), "predictions": (0, 1), "difference": (-1, 1)}.items():
        test = fit.t_test(np.kron(weights, prior[: len(used)]))
        table[[name, f"{name}_low", f"{name}_high"]] = np.column_stack([test.effect, test.conf_int()])
    return table


def compare_win_rates(
    predicted: FloatArray,
    observed: FloatArray,
    members: list[npt.NDArray[np.intp]],
    groups: npt.ArrayLike,
    config: ReportingConfig,
    seed: int,
) -> pd.DataFrame:
    """Estimate win rates over sets of rows, a tie counting as half a win.

    Args:
        predicted: Expected wins, shape (n,).
        observed: Wins, shape (n,).
        members: Row numbers of each set, none of them empty.
        groups: The prompt group of each row, shape (n,).
        config: Number of resamples.
        seed: Seed of the bootstrap.

    Returns:
        One row per set: ``battles``, and ``predicted``, ``observed`` and ``difference`` over the same resamples, each
        with ``_low`` and ``_high``.
    """
    inside = np.zeros((len(predicted), len(members)))
    for column, rows in enumerate(members):
        inside[rows, column] = 1.0
    table = pd.DataFrame({"battles": inside.sum(axis=0).astype("int64")})
    for name, wins in {"predicted": predicted, "observed": observed, "difference": predicted - observed}.items():
        weighted = inside * wins[:, None]
        rates = estimate_ratios(weighted, inside, groups, config.n_resamples, seed) if members else np.empty((0, 3))
        table[[name, f"{name}_low", f"{name}_high"]] = rates
    return table
