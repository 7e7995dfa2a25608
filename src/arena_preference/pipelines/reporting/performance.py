"""Node of the pipeline ``reporting`` that collects the numbers behind the figures of performance and calibration."""

import json
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from statsmodels.stats.proportion import proportion_confint

from arena_preference.battles import LABEL_COLUMNS, N_CLASSES, FloatArray
from arena_preference.metrics import compute_losses, select_probabilities
from arena_preference.targets import read_targets

from .config import ReportingConfig

LABEL_NAMES: Final = ("prefers A", "prefers B", "tie")
PROBABILITY_EDGES: Final = np.linspace(0, 1, 41)


def summarise_performance(
    oof_predictions: pd.DataFrame,
    metrics: dict[str, Any],
    learning_curve: pd.DataFrame,
    cross_encoders: dict[str, Any],
    ablation: pd.DataFrame,
    config: ReportingConfig,
) -> dict[str, Any]:
    """Return the numbers behind the figures and tables of performance and calibration, for the metrics' battles.

    Returns:
        ``metrics``, ``prompt_groups``, ``confusion`` (counts, one row per label), ``histograms`` (counts of the
        ``largest`` probability and of each class's in 40 equal bins), and rows of tables: ``classes``, ``reliability``,
        ``learning_curve``, ``training`` and ``ablation``, by descending difference.
    """
    oof_predictions = oof_predictions[oof_predictions["source"] == metrics["source"]]
    labels, targets = oof_predictions["label"].to_numpy(), read_targets(oof_predictions)
    probabilities = select_probabilities(oof_predictions)
    columns = {"largest": probabilities.max(axis=1), **dict(zip(LABEL_COLUMNS, probabilities.T, strict=True))}
    return {
        "metrics": metrics,
        "prompt_groups": int(oof_predictions["prompt_group"].nunique()),
        "classes": to_records(score_classes(probabilities, labels, targets)),
        "confusion": confusion_matrix(labels, probabilities.argmax(axis=1), labels=range(N_CLASSES)).tolist(),
        "reliability": to_records(bin_predictions(probabilities, targets, config.n_bins)),
        "histograms": {name: np.histogram(column, PROBABILITY_EDGES)[0].tolist() for name, column in columns.items()},
        "learning_curve": to_records(learning_curve.sort_values("battles")),
        "training": cross_encoders.get("history", []),
        "ablation": to_records(ablation.sort_values("difference", ascending=False, kind="stable")),
    }


def score_classes(probabilities: FloatArray, labels: npt.NDArray[np.integer[Any]], targets: FloatArray) -> pd.DataFrame:
    """Score each class on its own; a soft label's loss is shared out by its probabilities, shape (n, 3).

    Returns:
        One row per class: ``label``, ``battles``, ``fraction`` of all battles, ``mean_probability``, ``precision`` and
        ``recall`` of the likeliest class, ``log_loss`` of its battles, and ``contribution``, which sums to the log loss
        of all battles.
    """
    likeliest, classes = probabilities.argmax(axis=1), range(N_CLASSES)
    precision, recall, _, battles = precision_recall_fscore_support(labels, likeliest, labels=classes, zero_division=0)
    shares = [compute_losses(probabilities, targets * of_class) for of_class in np.eye(N_CLASSES)]
    losses = np.column_stack(shares).sum(axis=0)
    expected = targets.sum(axis=0)
    return pd.DataFrame(
        {
            "label": LABEL_NAMES,
            "battles": battles,
            "fraction": battles / len(labels),
            "mean_probability": probabilities.mean(axis=0),
            "precision": precision,
            "recall": recall,
            "log_loss": np.divide(losses, expected, out=np.zeros(N_CLASSES), where=expected > 0),
            "contribution": losses / len(labels),
        }
    )


def bin_predictions(probabilities: FloatArray, targets: FloatArray, n_bins: int) -> pd.DataFrame:
    """Compare predicted and observed frequencies of each class over bins of equal counts.

    Returns:
        Columns ``label``, ``predicted`` (mean probability), ``value`` (observed fraction), and its 95 % Wilson interval
        ``low``, ``high``, which holds for fractions near 0 as well.
    """
    rows = []
    for label, predicted in enumerate(probabilities.T):
        for members in np.array_split(np.argsort(predicted, kind="stable"), min(n_bins, len(predicted))):
            hits = targets[members, label].sum()
            low, high = proportion_confint(hits, len(members), method="wilson")
            rows.append((label, predicted[members].mean(), hits / len(members), low, high))
    return pd.DataFrame(rows, columns=["label", "predicted", "value", "low", "high"])


def to_records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as JSON has them, null for NaN."""
    records: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=15))
    return records
