"""Metrics of predictions: log loss, calibration error, and 95 % intervals.

The intervals are percentiles of a bootstrap that resamples whole prompt groups, because battles with the same prompt
are not independent.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from arena_preference.battles import LABEL_COLUMNS, FloatArray

# Resamples per matrix product: enough to be fast, few enough to bound memory.
_BLOCK: Final = 25
_PERCENTILES: Final = (2.5, 97.5)


def select_probabilities(table: pd.DataFrame, prefix: str = "") -> FloatArray:
    """Return the three columns of probabilities or logits with a prefix, shape (n, 3)."""
    return table[[f"{prefix}{name}" for name in LABEL_COLUMNS]].to_numpy(dtype=float)


def compute_losses(probabilities: FloatArray, labels: npt.NDArray[np.integer[Any]]) -> FloatArray:
    """Return the log loss of each battle in nats, shape (n,), from probabilities of shape (n, 3)."""
    chosen = probabilities[np.arange(len(labels)), labels]
    losses: FloatArray = -np.log(np.clip(chosen, np.finfo(float).tiny, 1.0))
    return losses


def resample_sums(values: FloatArray, groups: npt.ArrayLike, n_resamples: int, seed: int) -> FloatArray:
    """Return the sums of columns over resampled prompt groups, shape (n_resamples, k).

    Groups are drawn with replacement, as many as there are. The same seed draws the same groups for any values.

    Args:
        values: Shape (n, k).
        groups: Prompt group of each row, shape (n,).
        n_resamples: Number of resamples.
        seed: Seed of the bootstrap.
    """
    codes, names = pd.factorize(np.asarray(groups, dtype=object))
    size = len(names)
    totals = np.column_stack([np.bincount(codes, weights=column, minlength=size) for column in values.T])
    rng = np.random.default_rng(seed)
    sums = np.empty((n_resamples, values.shape[1]))
    for start in range(0, n_resamples, _BLOCK):
        block = range(start, min(start + _BLOCK, n_resamples))
        weights = np.stack([np.bincount(rng.integers(size, size=size), minlength=size) for _ in block])
        sums[block.start : block.stop] = weights.astype(float) @ totals
    return sums


def estimate_ratios(
    numerators: FloatArray, denominators: FloatArray, groups: npt.ArrayLike, n_resamples: int, seed: int
) -> pd.DataFrame:
    """Return ratios of sums with 95 % intervals: columns ``value``, ``low`` and ``high``, k rows.

    The mean over some of the rows is such a ratio, with their indicator as denominator.

    Args:
        numerators: Shape (n, k).
        denominators: Shape (n, k), each column with a sum above 0.
        groups: Prompt group of each row, shape (n,).
        n_resamples: Number of resamples.
        seed: Seed of the bootstrap.
    """
    sums = resample_sums(np.hstack([numerators, denominators]), groups, n_resamples, seed)
    above, below = np.hsplit(sums, 2)
    # A resample without any row of a column says nothing about it.
    ratios = np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
    return tabulate_intervals(numerators.sum(axis=0) / denominators.sum(axis=0), ratios)


def estimate_means(values: FloatArray, groups: npt.ArrayLike, n_resamples: int, seed: int) -> pd.DataFrame:
    """Return the means of columns with 95 % intervals, as ``estimate_ratios`` does."""
    return estimate_ratios(values, np.ones_like(values), groups, n_resamples, seed)


def estimate_intervals(
    values: Mapping[str, FloatArray], groups: npt.ArrayLike, n_resamples: int, seed: int
) -> dict[str, dict[str, float]]:
    """Return the mean of each array, shape (n,), as ``{value, low, high}`` by name."""
    table = estimate_means(np.column_stack(list(values.values())), groups, n_resamples, seed)
    return {name: as_interval(row) for name, (_, row) in zip(values, table.iterrows(), strict=True)}


def estimate_calibration_error(
    probabilities: FloatArray,
    labels: npt.NDArray[np.integer[Any]],
    n_bins: int,
    groups: npt.ArrayLike,
    n_resamples: int,
    seed: int,
) -> dict[str, float]:
    """Return the expected calibration error (Guo et al., 2017) of the most probable class as ``{value, low, high}``.

    It is the mean gap between the probability of that class and its frequency, over bins of equal width.

    Args:
        probabilities: Shape (n, 3).
        labels: Shape (n,).
        n_bins: Number of bins.
        groups: Prompt group of each row, shape (n,).
        n_resamples: Number of resamples.
        seed: Seed of the bootstrap.
    """
    confidence, hit = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    members = np.eye(n_bins)[np.minimum((confidence * n_bins).astype(np.intp), n_bins - 1)]
    gaps = members * (confidence - hit)[:, None]
    value = np.abs(gaps.sum(axis=0)).sum() / len(labels)
    *of_bins, sizes = resample_sums(np.column_stack([gaps, np.ones(len(labels))]), groups, n_resamples, seed).T
    errors = np.abs(of_bins).sum(axis=0) / sizes
    # Resampling adds noise to every gap, so a sum of absolute gaps is biased upwards.
    unbiased = np.maximum(errors - (errors.mean() - value), 0)
    return as_interval(tabulate_intervals(np.array([value]), unbiased[:, None]).iloc[0])


def tabulate_intervals(values: FloatArray, resampled: FloatArray) -> pd.DataFrame:
    """Return ``value``, ``low`` and ``high`` from estimates, shape (k,), and resamples, shape (n_resamples, k)."""
    rows: list[dict[str, float]] = []
    for value, column in zip(values, resampled.T, strict=True):
        usable = column[np.isfinite(column)]
        low, high = np.percentile(usable, _PERCENTILES) if len(usable) else (value, value)
        # Where a few groups decide, the percentiles can exclude the estimate itself.
        rows.append({"value": float(value), "low": min(float(low), float(value)), "high": max(float(high), value)})
    return pd.DataFrame(rows, columns=["value", "low", "high"], dtype=float)


def as_interval(row: Any) -> dict[str, float]:
    """Return one row of such a table as ``{value, low, high}``."""
    return {name: float(row[name]) for name in ("value", "low", "high")}
