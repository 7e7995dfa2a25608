"""Node of the pipeline ``reporting`` that collects the numbers behind the figures of performance and calibration."""

import json
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import classification_report, confusion_matrix
from statsmodels.stats.proportion import proportion_confint

from arena_preference.battles import LABEL_COLUMNS, N_CLASSES, FloatArray
from arena_preference.metrics import compute_losses, select_probabilities

from .config import ReportingConfig

LABEL_NAMES: Final = ("prefers A", "prefers B", "tie")
# Ingestion rejects a few rows, so a run has fewer battles than the simulation.
_REJECTED_FRACTION: Final = 0.02
PROBABILITY_EDGES: Final = np.linspace(0, 1, 41)


def summarise_performance(
    oof_predictions: pd.DataFrame,
    metrics: dict[str, Any],
    learning_curve: pd.DataFrame,
    finetuning_history: pd.DataFrame,
    simulation_summary: dict[str, Any],
    config: ReportingConfig,
) -> dict[str, Any]:
    """Return the numbers behind the figures and tables of performance and calibration.

    Args:
        oof_predictions: Schema ``OutOfFoldPredictions``.
        metrics: Metrics of these predictions, most of them ``{value, low, high}``; key ``blend`` with cross encoders.
        learning_curve: Columns ``battles``, ``log_loss``, ``low``, ``high``; may be empty.
        finetuning_history: Columns ``fold`` (-1: all folds), ``step``, and of each row either ``loss`` (training) or
            ``log_loss`` (held out); may be empty.
        simulation_summary: Summary of the simulation, or empty if the battles are not simulated.
        config: Parameters ``reporting``.

    Returns:
        ``metrics``, ``prompt_groups``, ``bayes_optimal_log_loss`` (None if unknown), ``confusion`` (counts, one row per
        label), ``histograms`` (counts of the ``largest`` probability and of each class's in 40 equal bins), and rows of
        tables: ``classes``, ``reliability``, ``learning_curve`` and ``training``.
    """
    labels, probabilities = oof_predictions["label"].to_numpy(), select_probabilities(oof_predictions)
    columns = {"largest": probabilities.max(axis=1), **dict(zip(LABEL_COLUMNS, probabilities.T, strict=True))}
    return {
        "metrics": metrics,
        "prompt_groups": int(oof_predictions["prompt_group"].nunique()),
        "bayes_optimal_log_loss": find_bayes_optimal_log_loss(metrics, simulation_summary),
        "classes": to_records(score_classes(probabilities, labels)),
        "confusion": confusion_matrix(labels, probabilities.argmax(axis=1), labels=range(N_CLASSES)).tolist(),
        "reliability": to_records(bin_predictions(probabilities, labels, config.n_bins)),
        "histograms": {name: np.histogram(column, PROBABILITY_EDGES)[0].tolist() for name, column in columns.items()},
        "learning_curve": to_records(learning_curve.sort_values("battles")),
        "training": to_records(finetuning_history),
    }


def find_bayes_optimal_log_loss(metrics: dict[str, Any], simulation_summary: dict[str, Any]) -> float | None:
    """Return the least log loss that a model can have, in nats, if the run's battles are those of the simulation."""
    if not simulation_summary:
        return None
    simulated = simulation_summary["train"]["battles"]
    if metrics["battles"] <= simulated <= metrics["battles"] * (1 + _REJECTED_FRACTION):
        return float(simulation_summary["train"]["bayes_optimal_log_loss"])
    return None


def score_classes(probabilities: FloatArray, labels: npt.NDArray[np.integer[Any]]) -> pd.DataFrame:
    """Score each class on its own.

    Args:
        probabilities: Shape (n, 3).
        labels: Shape (n,).

    Returns:
        One row per class: ``label``, ``battles``, ``fraction`` of all battles, ``mean_probability``, ``precision`` and
        ``recall`` of the likeliest class, ``log_loss`` of its battles, and ``contribution``, which sums to the log loss
        of all battles.
    """
    report = classification_report(
        labels,
        probabilities.argmax(axis=1),
        labels=range(N_CLASSES),
        target_names=LABEL_NAMES,
        output_dict=True,
        zero_division=0,
    )
    scores = pd.DataFrame(report).T.loc[list(LABEL_NAMES)]
    battles = scores["support"].to_numpy(dtype="int64")
    losses = np.bincount(labels, compute_losses(probabilities, labels), minlength=N_CLASSES)
    return pd.DataFrame(
        {
            "label": LABEL_NAMES,
            "battles": battles,
            "fraction": battles / len(labels),
            "mean_probability": probabilities.mean(axis=0),
            "precision": scores["precision"].to_numpy(),
            "recall": scores["recall"].to_numpy(),
            "log_loss": losses / np.maximum(battles, 1),
            "contribution": losses / len(labels),
        }
    )


def bin_predictions(probabilities: FloatArray, labels: npt.NDArray[np.integer[Any]], n_bins: int) -> pd.DataFrame:
    """Compare predicted and observed frequencies of each class over bins of equal counts.

    Args:
        probabilities: Shape (n, 3).
        labels: Shape (n,).
        n_bins: Number of bins.

    Returns:
        Columns ``label``, ``predicted`` (mean probability), ``value`` (observed fraction), and its 95 % Wilson interval
        ``low``, ``high``, which holds for fractions near 0 as well.
    """
    rows = []
    for label, predicted in enumerate(probabilities.T):
        for members in np.array_split(np.argsort(predicted, kind="stable"), min(n_bins, len(predicted))):
            hits = np.count_nonzero(labels[members] == label)
            low, high = proportion_confint(hits, len(members), method="wilson")
            rows.append((label, predicted[members].mean(), hits / len(members), low, high))
    return pd.DataFrame(rows, columns=["label", "predicted", "value", "low", "high"])


def to_records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as JSON has them, null for NaN."""
    records: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=15))
    return records
