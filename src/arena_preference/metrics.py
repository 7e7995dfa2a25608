"""How predictions are scored, in every room: log loss, calibration error, and intervals over prompt groups.

The intervals are a bootstrap's: battles of a group share their prompt, so whole groups are drawn.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from arena_preference.battles import LABEL_COLUMNS, FloatArray

# Draws weighed at a time: enough for a fast matrix product, few enough to bound memory.
_BLOCK: Final = 25
_PERCENTILES: Final = (2.5, 97.5)


def select_probabilities(table: pd.DataFrame, prefix: str = "") -> FloatArray:
    """Take three columns of probabilities or logits, shape (n, 3)."""
    return table[[f"{prefix}{name}" for name in LABEL_COLUMNS]].to_numpy(dtype=float)


def compute_losses(probabilities: FloatArray, labels: npt.NDArray[np.integer[Any]]) -> FloatArray:
    """Compute the log loss of each battle in nats, shape (n,), from probabilities of shape (n, 3)."""
    chosen = probabilities[np.arange(len(labels)), labels]
    losses: FloatArray = -np.log(np.clip(chosen, np.finfo(float).tiny, 1.0))
    return losses


def estimate_calibration_error(
    probabilities: FloatArray,
    labels: npt.NDArray[np.integer[Any]],
    bins: int,
    groups: npt.ArrayLike,
    draws: int,
    seed: int,
) -> dict[str, float]:
    """Estimate the expected calibration error of the likeliest class (Guo et al., 2017) with a 95 % interval.

    It is the mean gap between the probability of that class and how often it came true, over bins of equal width.

    Args:
        probabilities: Shape (n, 3).
        labels: Shape (n,).
        bins: Number of bins.
        groups: The prompt group of each row, shape (n,).
        draws: Number of resamplings.
        seed: The project's seed.

    Returns:
        ``{value, low, high}``.
    """
    confidence, hit = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    members = np.eye(bins)[np.minimum((confidence * bins).astype(np.intp), bins - 1)]
    gaps = members * (confidence - hit)[:, None]
    value = np.abs(gaps.sum(axis=0)).sum() / len(labels)
    *of_bins, sizes = resample_sums(np.column_stack([gaps, np.ones(len(labels))]), groups, draws, seed).T
    drawn = np.abs(of_bins).sum(axis=0) / sizes
    # A sum of absolute gaps grows with every resampling; that bias is taken off.
    table = tabulate_intervals(np.array([value]), np.maximum(drawn - (drawn.mean() - value), 0)[:, None])
    return as_interval(table.iloc[0])


def resample_sums(values: FloatArray, groups: npt.ArrayLike, draws: int, seed: int) -> FloatArray:
    """Sum columns over resampled prompt groups.

    Battles of a group share their prompt, so groups are drawn, with replacement and as many as there are.

    Args:
        values: Shape (n, k).
        groups: The prompt group of each row, shape (n,).
        draws: Number of resamplings.
        seed: The project's seed; the same groups are drawn whatever the values.

    Returns:
        Shape (draws, k).
    """
    codes, names = pd.factorize(np.asarray(groups, dtype=object))
    size = len(names)
    totals = np.column_stack([np.bincount(codes, weights=column, minlength=size) for column in values.T])
    rng = np.random.default_rng(seed)
    sums = np.empty((draws, values.shape[1]))
    for start in range(0, draws, _BLOCK):
        block = range(start, min(start + _BLOCK, draws))
        weights = np.stack([np.bincount(rng.integers(size, size=size), minlength=size) for _ in block])
        sums[block.start : block.stop] = weights.astype(float) @ totals
    return sums


def estimate_ratios(
    numerators: FloatArray, denominators: FloatArray, groups: npt.ArrayLike, draws: int, seed: int
) -> pd.DataFrame:
    """Estimate ratios of sums, each with a 95 % interval; a mean over some of the rows is such a ratio.

    Args:
        numerators: Shape (n, k).
        denominators: Shape (n, k), each column with a sum above 0.
        groups: The prompt group of each row, shape (n,).
        draws: Number of resamplings.
        seed: The project's seed.

    Returns:
        Columns ``value``, ``low`` and ``high``, k rows.
    """
    sums = resample_sums(np.hstack([numerators, denominators]), groups, draws, seed)
    above, below = np.hsplit(sums, 2)
    # A draw may hold no group of a rare column; it says nothing about that column.
    ratios = np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
    values = numerators.sum(axis=0) / denominators.sum(axis=0)
    return tabulate_intervals(values, ratios)


def estimate_means(values: FloatArray, groups: npt.ArrayLike, draws: int, seed: int) -> pd.DataFrame:
    """Estimate the mean of each column over all rows, as ``estimate_ratios`` does."""
    return estimate_ratios(values, np.ones_like(values), groups, draws, seed)


def tabulate_intervals(values: FloatArray, drawn: FloatArray) -> pd.DataFrame:
    """Put estimates, shape (k,), and the percentiles of their draws, shape (draws, k), side by side."""
    rows: list[dict[str, float]] = []
    for value, column in zip(values, drawn.T, strict=True):
        usable = column[np.isfinite(column)]
        low, high = np.percentile(usable, _PERCENTILES) if len(usable) else (value, value)
        # Where a handful of groups decides, the percentiles can miss the estimate itself.
        rows.append({"value": float(value), "low": min(float(low), float(value)), "high": max(float(high), value)})
    return pd.DataFrame(rows, columns=["value", "low", "high"], dtype=float)


def as_interval(row: Any) -> dict[str, float]:
    """Give one row of such a table as ``{value, low, high}``."""
    return {name: float(row[name]) for name in ("value", "low", "high")}
