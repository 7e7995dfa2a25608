"""How predictions are scored: figures with intervals from a bootstrap over prompt groups."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from arena_preference.battles import LABEL_COLUMNS, FloatArray

Labels = npt.NDArray[np.integer[Any]]
#: Gives a figure of all battles, each with a weight; shape (n,) to a number.
Statistic = Callable[[FloatArray], float]


def bootstrap(
    statistics: Mapping[str, Statistic], groups: pd.Series, draws: int, seed: int
) -> dict[str, dict[str, float]]:
    """Compute figures with 95 % intervals; whole prompt groups are drawn, because their battles are alike.

    Args:
        statistics: The figures by name.
        groups: Prompt group of each battle.
        draws: Number of draws.
        seed: The project's seed.

    Returns:
        ``{value, low, high}`` for each name. All figures see the same draws.
    """
    codes = groups.astype("category").cat.codes.to_numpy()
    count = codes.max() + 1
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in statistics}
    for _ in range(draws):
        weights = np.bincount(rng.integers(count, size=count), minlength=count)[codes].astype(float)
        for name, statistic in statistics.items():
            drawn[name].append(statistic(weights))
    figures = {}
    for name, statistic in statistics.items():
        value = statistic(np.ones(len(codes)))
        values = np.array(drawn[name])
        # A sum of absolute gaps, such as the calibration error, grows with every resampling; that bias is taken off.
        low, high = np.percentile(values - (values.mean() - value), [2.5, 97.5])
        figures[name] = {"value": value, "low": float(low), "high": float(high)}
    return figures


def mean_of(values: FloatArray) -> Statistic:
    """Make a figure of the weighted mean of values, shape (n,)."""
    return lambda weights: float(np.average(values, weights=weights))


def compute_losses(probabilities: FloatArray, labels: Labels) -> FloatArray:
    """Compute the log loss of each battle, shape (n,), of probabilities of shape (n, 3)."""
    chosen = probabilities[np.arange(len(labels)), labels]
    losses: FloatArray = -np.log(np.clip(chosen, np.finfo(float).tiny, 1.0))
    return losses


def calibration_error_of(probabilities: FloatArray, labels: Labels, bins: int) -> Statistic:
    """Make a figure of the expected calibration error of the likeliest class (Guo et al., 2017).

    It is the mean gap between the probability of that class and how often it came true, over bins of equal width.
    """
    confidence, hit = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bin_of_battle = np.minimum((confidence * bins).astype(np.intp), bins - 1)

    def compute(weights: FloatArray) -> float:
        gaps = np.bincount(bin_of_battle, weights=weights * (confidence - hit), minlength=bins)
        return float(np.abs(gaps).sum() / weights.sum())

    return compute


def select_probabilities(predictions: pd.DataFrame, prefix: str = "") -> FloatArray:
    """Take the three columns of probabilities with a prefix; shape (n, 3)."""
    return predictions[[f"{prefix}{name}" for name in LABEL_COLUMNS]].to_numpy()
