"""Metrics of predictions: log loss, calibration error, and 95 % intervals.

The intervals are percentiles of a bootstrap that resamples whole prompt groups, because battles with the same prompt
are not independent. In all functions, ``groups`` is the prompt group of each row, shape (n,).
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from arena_preference.battles import LABEL_COLUMNS, FloatArray

# Resamples per matrix product: enough to be fast, few enough to bound memory.
_BLOCK: Final = 25


def select_probabilities(table: pd.DataFrame, prefix: str = "") -> FloatArray:
    """Return the three columns of probabilities or logits with a prefix, shape (n, 3)."""
    return table[[f"{prefix}{name}" for name in LABEL_COLUMNS]].to_numpy(dtype=float)


def compute_losses(probabilities: FloatArray, targets: FloatArray) -> FloatArray:
    """Return the log loss of each battle in nats, shape (n,): its expected value if the label is drawn from the target.

    Probabilities and targets have shape (n, 3). The target of a plain vote is 1, 0 and 0.
    """
    losses: FloatArray = -(targets * np.log(np.clip(probabilities, np.finfo(float).tiny, 1.0))).sum(axis=1)
    return losses


def resample_sums(values: FloatArray, groups: npt.ArrayLike, n_resamples: int, seed: int) -> FloatArray:
    """Return the sums of the columns of ``values``, shape (n, k), over resamples; shape (n_resamples, k).

    Groups are drawn with replacement, as many as there are. The same seed draws the same groups for any values.
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
    """Return ratios of the sums of columns with 95 % intervals: columns ``value``, ``low`` and ``high``, k rows.

    The mean over some of the rows is such a ratio, with their indicator as denominator. Numerators and denominators
    have shape (n, k), and each denominator a sum above 0.
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
    return dict(zip(values, table.to_dict("records"), strict=True))


def estimate_calibration_error(
    probabilities: FloatArray,
    targets: FloatArray,
    n_bins: int,
    groups: npt.ArrayLike,
    n_resamples: int,
    seed: int,
) -> dict[str, float]:
    """Return the expected calibration error (Guo et al., 2017) of the most probable class as ``{value, low, high}``.

    It is the mean gap between the probability of that class and its frequency, the mean of its targets, over bins of
    equal width.
    """
    confidence, hit = probabilities.max(axis=1), targets[np.arange(len(targets)), probabilities.argmax(axis=1)]
    members = np.eye(n_bins)[np.minimum((confidence * n_bins).astype(np.intp), n_bins - 1)]
    gaps = members * (confidence - hit)[:, None]
    value = np.abs(gaps.sum(axis=0)).sum() / len(targets)
    *of_bins, sizes = resample_sums(np.column_stack([gaps, np.ones(len(targets))]), groups, n_resamples, seed).T
    errors = np.abs(of_bins).sum(axis=0) / sizes
    # Resampling adds noise to every gap, so a sum of absolute gaps is biased upwards.
    unbiased = np.maximum(errors - (errors.mean() - value), 0)
    (interval,) = tabulate_intervals(np.array([value]), unbiased[:, None]).to_dict("records")
    return interval


def tabulate_intervals(values: FloatArray, resampled: FloatArray) -> pd.DataFrame:
    """Return ``value``, ``low`` and ``high`` from estimates, shape (k,), and resamples, shape (n_resamples, k)."""
    low, high = pd.DataFrame(resampled).quantile([0.025, 0.975]).to_numpy()
    # Where a few groups decide, the percentiles can exclude the estimate itself. Without any, they are NaN.
    return pd.DataFrame({"value": values, "low": np.fmin(low, values), "high": np.fmax(high, values)})
