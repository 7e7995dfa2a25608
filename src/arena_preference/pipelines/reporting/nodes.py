"""Nodes of the pipeline ``reporting`` on scores and calibration."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from arena_preference.battles import LABEL_COLUMNS
from arena_preference.metrics import compute_losses, select_probabilities

from .config import ReportingConfig
from .drawing import (
    BLUE,
    CLASSES,
    GREEN,
    GREY,
    draw_note,
    draw_rows,
    make_axes,
    make_figure,
    measure_arms,
    name_rows,
)
from .tables import encode_labels

# Rows that cannot be used are set aside, so a run has a few battles fewer than were simulated.
_REJECTED_SHARE = 0.02
_NAMES = [name for name, _, _ in CLASSES.values()]


def find_bayes_limit(metrics: dict[str, Any], simulation_summary: dict[str, Any]) -> float | None:
    """Give the least log loss that any model can reach, where the battles of this run are those of the simulation.

    Args:
        metrics: What ``evaluate_predictions`` gave.
        simulation_summary: What ``summarise_simulation`` gave; empty where the data are not simulated.

    Returns:
        The limit in nats, or None.
    """
    if not simulation_summary:
        return None
    simulated = simulation_summary["train"]["battles"]
    if metrics["battles"] <= simulated <= metrics["battles"] * (1 + _REJECTED_SHARE):
        return float(simulation_summary["train"]["bayes_optimal_log_loss"])
    return None


def score_classes(oof_predictions: pd.DataFrame) -> pd.DataFrame:
    """Score each class on its own.

    Args:
        oof_predictions: Schema ``OutOfFoldPredictions``.

    Returns:
        One row per class: ``verdict``, ``battles``, ``observed_share``, ``mean_probability``, ``recall`` and
        ``precision`` of the likeliest class (0 where it was never the likeliest), ``log_loss`` of its battles, and
        ``loss_contribution``, which sums to the log loss over the classes.
    """
    probabilities, labels = select_probabilities(oof_predictions), oof_predictions["label"].to_numpy()
    losses, likeliest = compute_losses(probabilities, labels), probabilities.argmax(axis=1)
    rows = []
    for label, name in enumerate(_NAMES):
        actual, predicted = labels == label, likeliest == label
        hits = (actual & predicted).sum()
        rows.append(
            {
                "verdict": name,
                "battles": int(actual.sum()),
                "observed_share": actual.mean(),
                "mean_probability": probabilities[:, label].mean(),
                "recall": hits / max(actual.sum(), 1),
                "precision": hits / max(predicted.sum(), 1),
                "log_loss": losses[actual].sum() / max(actual.sum(), 1),
                "loss_contribution": losses[actual].sum() / len(labels),
            }
        )
    return pd.DataFrame(rows)


def plot_scores(metrics: dict[str, Any], simulation_summary: dict[str, Any]) -> Figure:
    """Draw the log loss next to those of the baselines.

    Args:
        metrics: What ``evaluate_predictions`` gave.
        simulation_summary: What ``summarise_simulation`` gave, or empty.

    Returns:
        A value with its 95 % interval for each model; a line at the Bayes limit where it is known.
    """
    rows = {"this model": "log_loss", "length only": "length_log_loss", "class prior": "prior_log_loss"}
    figure, axes = make_axes(2.1, f"Log loss of {metrics['battles']:,} battles, out of fold")
    table = pd.DataFrame([metrics[key] for key in rows.values()])
    for place, colour in enumerate((BLUE, GREY, GREY)):
        draw_rows(axes, table, colour, rows=table.index == place)
    name_rows(axes, list(rows))
    limit = find_bayes_limit(metrics, simulation_summary)
    if limit is not None:
        axes.axvline(limit, color=GREEN, linestyle="--", linewidth=1.5, label=f"Bayes limit {limit:.4f}")
        figure.legend(loc="outside lower right", frameon=False, fontsize=9)
    axes.set_xlabel("log loss (nats; lower is better), 95 % interval", fontsize=9)
    return figure


def plot_confusion(oof_predictions: pd.DataFrame) -> Figure:
    """Draw which class was the likeliest for each verdict.

    Args:
        oof_predictions: Schema ``OutOfFoldPredictions``.

    Returns:
        Counts and shares of each verdict's battles, one row per verdict.
    """
    likeliest = select_probabilities(oof_predictions).argmax(axis=1)
    counts = encode_labels(oof_predictions["label"]).T @ np.eye(len(LABEL_COLUMNS))[likeliest]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = make_axes(3.6, "The likeliest class for each verdict")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(*counts.shape):
        axes.text(
            column,
            row,
            f"{counts[row, column]:,.0f}\n{100 * shares[row, column]:.0f} %",
            ha="center",
            va="center",
            fontsize=10,
            color="white" if shares[row, column] > 0.55 else "black",
        )
    axes.set_xticks(range(len(_NAMES)), _NAMES)
    axes.set_yticks(range(len(_NAMES)), _NAMES, rotation=90, va="center")
    axes.set_xlabel("likeliest class", fontsize=9)
    axes.set_ylabel("verdict (shares of a row sum to 100 %)", fontsize=9)
    return figure


def plot_learning_curve(learning_curve: pd.DataFrame) -> Figure:
    """Draw the log loss against the number of battles to learn from.

    Args:
        learning_curve: Columns ``battles`` (mean number of training battles), ``log_loss``, ``low`` and ``high``.

    Returns:
        A line with 95 % intervals, or a note where the curve was not computed.
    """
    if learning_curve.empty:
        return draw_note("no learning curve: it was switched off in this run")
    table = learning_curve.rename(columns={"log_loss": "value"}).sort_values("battles")
    figure, axes = make_axes(3.2, "Log loss by the number of battles learnt from")
    axes.errorbar(
        table["battles"].to_numpy(),
        table["value"].to_numpy(),
        yerr=measure_arms(table),
        color=BLUE,
        marker="o",
        linewidth=1.5,
        capsize=3,
    )
    axes.set_xlim(0, table["battles"].max() * 1.05)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel("training battles (mean over the folds)", fontsize=9)
    axes.set_ylabel("log loss (nats), 95 % interval", fontsize=9)
    axes.grid(alpha=0.3)
    return figure


def plot_finetuning(finetuning_history: pd.DataFrame) -> Figure:
    """Draw how the training of the cross encoders went.

    Args:
        finetuning_history: Columns ``fold`` (-1: all folds), ``step``, and ``loss`` on the battles that are learned
            from or ``log_loss`` on those set aside; no rows where nothing was trained.

    Returns:
        Two lines for each training, or a note where there was none.
    """
    if finetuning_history.empty:
        return draw_note("no training of cross encoders: fine-tuning was switched off in this run")
    figure, axes = make_axes(3.2, "Log loss while the cross encoders were trained")
    for column, colour, width in (("loss", GREY, 0.8), ("log_loss", BLUE, 1.5)):
        measured = finetuning_history.dropna(subset=[column])
        for _, training in measured.groupby("fold"):
            axes.plot(training["step"], training[column], color=colour, linewidth=width)
        text = {"loss": "on what is learned from", "log_loss": "on battles set aside"}[column]
        axes.plot([], [], color=colour, linewidth=width, label=text)
    axes.set_xlabel("steps, one line for each fold", fontsize=9)
    axes.set_ylabel("log loss (nats)", fontsize=9)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=9)
    return figure


def bin_predictions(oof_predictions: pd.DataFrame, options: ReportingConfig) -> pd.DataFrame:
    """Compare predicted and observed shares, class by class, over bins of equal counts.

    Args:
        oof_predictions: Schema ``OutOfFoldPredictions``.
        options: Parameters ``reporting``.

    Returns:
        Columns ``label``, ``predicted`` (mean probability), ``value`` (observed share), and its 95 % Wilson interval
        ``low``, ``high``, which holds for shares near 0 as well.
    """
    rows = []
    for label, name in enumerate(LABEL_COLUMNS):
        predicted = oof_predictions[name].to_numpy()
        observed = (oof_predictions["label"] == label).to_numpy()
        bins = np.array_split(np.argsort(predicted, kind="stable"), min(options.n_bins, len(predicted)))
        for members in bins:
            share, count = observed[members].mean(), len(members)
            centre = (share + 1.96**2 / (2 * count)) / (1 + 1.96**2 / count)
            reach = 1.96 * np.sqrt(share * (1 - share) / count + (1.96 / (2 * count)) ** 2) / (1 + 1.96**2 / count)
            rows.append((label, predicted[members].mean(), share, centre - reach, centre + reach))
    return pd.DataFrame(rows, columns=["label", "predicted", "value", "low", "high"])


def plot_reliability(oof_predictions: pd.DataFrame, metrics: dict[str, Any], options: ReportingConfig) -> Figure:
    """Draw how often each verdict came true against how probable the models said it was.

    Args:
        oof_predictions: Schema ``OutOfFoldPredictions``.
        metrics: What ``evaluate_predictions`` gave.
        options: Parameters ``reporting``.

    Returns:
        One line per class over bins of equal counts, with 95 % intervals of the observed share.
    """
    error = metrics["expected_calibration_error"]["value"]
    figure, axes = make_axes(5.4, f"Reliability out of fold, expected calibration error {error:.3f}")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfect calibration")
    bins = bin_predictions(oof_predictions, options)
    for label, (text, colour, marker) in enumerate(CLASSES.values()):
        of_class = bins[bins["label"] == label]
        axes.errorbar(
            of_class["predicted"].to_numpy(),
            of_class["value"].to_numpy(),
            yerr=measure_arms(of_class),
            color=colour,
            marker=marker,
            markersize=5,
            linewidth=1.5,
            capsize=2,
            label=text,
        )
    limit = min(1.0, np.ceil(bins[["predicted", "high"]].to_numpy().max() * 10 + 0.5) / 10)
    axes.set(xlim=(0, limit), ylim=(0, limit), aspect="equal")
    axes.set_xlabel("predicted probability", fontsize=9)
    axes.set_ylabel("observed share of battles, 95 % interval", fontsize=9)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", frameon=False, fontsize=9)
    return figure


def plot_sharpness(oof_predictions: pd.DataFrame) -> Figure:
    """Draw how far the probabilities move away from saying nothing.

    Args:
        oof_predictions: Schema ``OutOfFoldPredictions``.

    Returns:
        Histograms of the largest probability and of each class's.
    """
    probabilities = select_probabilities(oof_predictions)
    weights = np.full(len(probabilities), 1 / len(probabilities))
    edges = np.linspace(0, 1, 41)
    figure = make_figure(4.4)
    top, bottom = figure.subplots(2, sharex=True)
    top.hist(probabilities.max(axis=1), edges, weights=weights, color=GREY)
    top.set_title("Largest of the three probabilities", fontsize=10.5, loc="left")
    for column, (text, colour, _) in enumerate(CLASSES.values()):
        bottom.hist(
            probabilities[:, column], edges, weights=weights, histtype="step", color=colour, linewidth=1.8, label=text
        )
    bottom.set_title("Probability of each class", fontsize=10.5, loc="left")
    bottom.legend(frameon=False, fontsize=9)
    bottom.set(xlim=(0, 1))
    bottom.set_xlabel("predicted probability", fontsize=9)
    for axes in (top, bottom):
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.set_ylabel("share of battles", fontsize=9)
        axes.tick_params(labelsize=9)
        axes.grid(alpha=0.3)
    return figure
