"""Node of the pipeline ``reporting`` that draws all figures. Their titles are captions with the main number."""

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import ConfusionMatrixDisplay

from arena_preference.symmetry import is_antisymmetric

from .config import ReportingConfig
from .drawing import (
    BLUE,
    CLASSES,
    GREEN,
    GREY,
    ORANGE,
    PANEL_TITLE,
    VERMILION,
    add_legend,
    clean_label,
    draw_intervals,
    error_bars,
    format_feature,
    format_interval,
    format_percent,
    format_ratio,
    label_rows,
    make_axes,
    make_panels,
    select_interval,
)
from .errors import CATEGORY, LANGUAGE, MODELS, PROMPT_KIND, SOURCE
from .performance import LABEL_NAMES, PROBABILITY_EDGES

# Dimensions of slices with a figure of their own.
_SLICE_FIGURES: Final = {"prompt_kinds": PROMPT_KIND, "languages": LANGUAGE, "categories": CATEGORY}


def plot_figures(
    performance: dict[str, Any],
    bias_audit: dict[str, Any],
    slice_metrics: pd.DataFrame,
    feature_importance: pd.DataFrame,
    config: ReportingConfig,
) -> dict[str, Figure]:
    """Draw all figures for which the run has numbers.

    Returns:
        Figures by name; up to seventeen.
    """
    metrics, position = performance["metrics"], bias_audit["position"]
    of_each = dict(list(slice_metrics.groupby("dimension")))
    is_elsewhere = slice_metrics["dimension"].isin([*_SLICE_FIGURES.values(), MODELS, SOURCE])
    figures = {
        "scores": plot_scores(metrics),
        "confusion_matrix": plot_confusion_matrix(np.array(performance["confusion"]), metrics["accuracy"]),
        "reliability": plot_reliability(performance["reliability"], metrics["expected_calibration_error"]),
        "probabilities": plot_probabilities(performance["histograms"]),
        "position_bias": plot_position_bias(position),
        "slices": plot_slices(slice_metrics[~is_elsewhere], "slice", metrics),
        "feature_groups": plot_feature_groups(feature_importance),
        "feature_importance": plot_feature_importance(feature_importance, config.top_features),
    }
    optional = {
        "learning_curve": (plot_learning_curve, performance["learning_curve"]),
        "finetuning": (plot_finetuning, performance["training"]),
        "verbosity_bias": (plot_verbosity_bias, bias_audit["verbosity"]),
        "self_enhancement_bias": (plot_self_enhancement_bias, bias_audit["self_enhancement"]),
        "formatting_bias": (plot_formatting_bias, bias_audit["formatting"]),
        "ablation": (plot_ablation, performance["ablation"]),
    }
    figures |= {name: plot(pd.DataFrame(table)) for name, (plot, table) in optional.items() if len(table)}
    for name, dimension in _SLICE_FIGURES.items():
        if dimension in of_each:
            ranked = of_each[dimension].sort_values("value", ascending=False)
            figures[name] = plot_slices(ranked, dimension, metrics)
    return figures


def plot_scores(metrics: dict[str, Any]) -> Figure:
    """Draw the log loss beside those of the baselines, and the Bayes-optimal one where it is known."""
    rows = {"this model": "log_loss", "length baseline": "length_log_loss", "class prior": "prior_log_loss"}
    title = f"Log loss {format_interval(metrics['log_loss'])}, {metrics['battles']:,} battles, out of fold"
    figure, axes = make_axes(2.1, title)
    table = pd.DataFrame([metrics[key] for key in rows.values()])
    draw_intervals(axes, table, BLUE, rows=[True, False, False])
    draw_intervals(axes, table, GREY, rows=[False, True, True])
    label_rows(axes, list(rows))
    if "bayes_optimal_log_loss" in metrics:
        optimal = metrics["bayes_optimal_log_loss"]
        label = f"Bayes-optimal {optimal:.4f}"
        axes.axvline(optimal, color=GREEN, linestyle="--", linewidth=1.5, label=label)
        # Only the line has a label.
        add_legend(figure)
    axes.set_xlabel("log loss (nats, lower is better), 95 % interval")
    return figure


def plot_confusion_matrix(confusion: np.ndarray, accuracy: dict[str, float]) -> Figure:
    """Draw counts, and fractions of each label's battles, of the likeliest class."""
    fractions = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    figure, axes = make_axes(3.8, f"Confusion matrix: accuracy {format_percent(accuracy)}")
    display = ConfusionMatrixDisplay(fractions, display_labels=LABEL_NAMES)
    display.plot(ax=axes, cmap="Blues", colorbar=False, im_kw={"vmin": 0, "vmax": 1, "aspect": "auto"})
    for text, count, fraction in zip(display.text_.flat, confusion.flat, fractions.flat, strict=True):
        text.set(text=f"{count:,}\n{100 * fraction:.0f} %", color="white" if fraction > 0.55 else "black")
    axes.set(xlabel="likeliest class", ylabel="label (a row sums to 100 %)")
    axes.tick_params(axis="y", rotation=90)
    for label in axes.get_yticklabels():
        label.set_verticalalignment("center")
    axes.grid(visible=False)
    return figure


def plot_learning_curve(learning_curve: pd.DataFrame) -> Figure:
    """Draw the log loss against the number of training battles."""
    last = learning_curve.iloc[-1]
    title = f"Learning curve: log loss {last['log_loss']:.4f} at {last['battles']:,.0f} training battles"
    figure, axes = make_axes(3.2, title)
    table = learning_curve.rename(columns={"log_loss": "value"})
    axes.errorbar(table["battles"], table["value"], error_bars(table), color=BLUE, marker="o", capsize=3)
    axes.set_xlim(0, last["battles"] * 1.05)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set(xlabel="training battles (mean over the folds)", ylabel="log loss (nats), 95 % interval")
    return figure


def plot_finetuning(training: pd.DataFrame) -> Figure:
    """Draw training and held-out log loss of each cross encoder against its steps."""
    best = training.groupby("fold")["log_loss"].min()
    title = f"Fine-tuning: best held-out log loss {best.min():.4f} to {best.max():.4f} over {len(best)} models"
    figure, axes = make_axes(3.2, title)
    for column, label, colour, width in (("loss", "training", GREY, 0.8), ("log_loss", "held out", BLUE, 1.5)):
        for index, (_, curve) in enumerate(training.dropna(subset=[column]).groupby("fold")):
            axes.plot(curve["step"], curve[column], color=colour, linewidth=width, label="" if index else label)
    axes.set(xlabel="steps, one line for each fold", ylabel="log loss (nats)")
    axes.legend(frameon=False, fontsize=9)
    return figure


def plot_reliability(rows: list[dict[str, float]], calibration_error: dict[str, float]) -> Figure:
    """Draw observed against predicted frequencies of each class."""
    reliability = pd.DataFrame(rows)
    title = f"Reliability: expected calibration error {format_interval(calibration_error, 3)}"
    figure, axes = make_axes(5.4, title)
    for label, (name, colour, marker) in enumerate(CLASSES.values()):
        bins = reliability[reliability["label"] == label]
        curve = CalibrationDisplay(bins["value"], bins["predicted"], y_prob=None)
        curve.plot(ax=axes, label=name, color=colour, marker=marker, markersize=5)
        axes.errorbar(bins["predicted"], bins["value"], error_bars(bins), fmt="none", color=colour, capsize=2)
    limit = min(1.0, np.ceil(reliability[["predicted", "high"]].to_numpy().max() * 10 + 0.5) / 10)
    axes.set(xlim=(0, limit), ylim=(0, limit), aspect="equal")
    axes.set(xlabel="mean predicted probability", ylabel="observed fraction, 95 % interval")
    axes.legend(loc="upper left", frameon=False, fontsize=9)
    return figure


def plot_probabilities(histograms: dict[str, list[int]]) -> Figure:
    """Draw histograms of the largest probability and of each class's."""
    fractions = {name: np.array(counts) / np.sum(counts) for name, counts in histograms.items()}
    above = [fractions["largest"][PROBABILITY_EDGES[:-1] > edge - 0.01].sum() for edge in (0.5, 0.8)]
    title = f"Largest probability above 0.5 in {100 * above[0]:.1f} %, above 0.8 in {100 * above[1]:.1f} % of battles"
    figure, (top, bottom) = make_panels(4.4, title, [1, 1])
    top.stairs(fractions["largest"], PROBABILITY_EDGES, fill=True, color=GREY)
    top.set_title("largest of the three probabilities", **PANEL_TITLE)
    for column, (name, colour, _) in CLASSES.items():
        bottom.stairs(fractions[column], PROBABILITY_EDGES, color=colour, linewidth=1.8, label=name)
    bottom.set_title("probability of each class", **PANEL_TITLE)
    bottom.set(xlim=(0, 1), xlabel="predicted probability")
    bottom.legend(frameon=False, fontsize=9)
    for axes in (top, bottom):
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
        axes.set_ylabel("fraction of battles")
    return figure


def plot_position_bias(position: dict[str, dict[str, float]]) -> Figure:
    """Draw the mean margin of A over B of single passes, of the average and of the votes."""
    rows = ("original order", "swapped order", "both orders averaged", "votes")
    title = (
        f"Position bias of a single pass {format_interval(position['bias'], 3, sign=True)}, "
        f"flips {100 * position['flips']['value']:.1f} %"
    )
    figure, axes = make_axes(2.4, title)
    table = pd.DataFrame([position[key] for key in ("original_order", "swapped_order", "averaged", "votes")])
    for index, colour in enumerate((VERMILION, VERMILION, BLUE, GREY)):
        draw_intervals(axes, table, colour, rows=table.index == index)
    axes.axvline(0, color="black", linewidth=0.8)
    label_rows(axes, list(rows))
    axes.set_xlabel("mean probability of A minus that of B, 95 % interval")
    return figure


def plot_verbosity_bias(verbosity: pd.DataFrame) -> Figure:
    """Draw predicted and observed win rates of the longer response by the ratio of the lengths."""
    overall, bins = verbosity.iloc[0], verbosity[verbosity["bin"] > 0]
    rates = f"{100 * overall['predicted']:.1f} % predicted, {100 * overall['observed']:.1f} % observed"
    figure, axes = make_axes(3.5, f"Win rate of the longer response: {rates}")
    positions = np.arange(len(bins))
    for name, colour, marker, shift in (("predicted", BLUE, "o", -0.1), ("observed", ORANGE, "s", 0.1)):
        table = select_interval(bins, name)
        style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 5, "capsize": 2}
        axes.errorbar(positions + shift, table["value"], error_bars(table), label=name, **style)
    axes.axhline(0.5, color=GREY, linestyle="--", linewidth=1)
    axes.set_xticks(positions, [format_ratio(value) for value in bins["length_ratio"]], fontsize=8)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    axes.set(xlabel="times as long as the shorter response (median)", ylabel="win rate (ties half), 95 % interval")
    axes.grid(visible=False, axis="x")
    axes.legend(frameon=False, fontsize=9)
    return figure


def plot_self_enhancement_bias(self_enhancement: pd.DataFrame) -> Figure:
    """Draw predicted minus observed win rates of each model."""
    table = select_interval(self_enhancement, "difference")
    xlabel = "predicted minus observed win rate (ties half), 95 % interval"
    return _plot_differences(table, self_enhancement["model"], "Predicted minus observed win rate", xlabel)


def plot_formatting_bias(formatting: pd.DataFrame) -> Figure:
    """Draw coefficients of style control for votes and predictions."""
    styles = formatting["style"].str.replace("_", " ")
    first = formatting["votes"].abs().idxmax()
    title = (
        f"Style control: {styles[first]} {formatting['votes'][first]:+.2f} in votes, "
        f"{formatting['predictions'][first]:+.2f} in predictions"
    )
    figure, axes = make_axes(1.5 + 0.4 * len(formatting), title)
    for name, colour, marker, shift in (("predictions", BLUE, "o", 0.12), ("votes", ORANGE, "s", -0.12)):
        draw_intervals(axes, select_interval(formatting, name), colour, marker, shift, name)
    axes.axvline(0, color="black", linewidth=0.8)
    label_rows(axes, styles.tolist())
    axes.set_xlabel("change of the log odds by one standard deviation, 95 % interval")
    add_legend(figure)
    return figure


def plot_slices(slices: pd.DataFrame, name: str, metrics: dict[str, Any]) -> Figure:
    """Draw the log loss of each slice, one panel for each dimension."""
    panels = list(slices.groupby("dimension", sort=False))
    heights = [len(rows) + 1.2 for _, rows in panels]
    highest = slices.loc[slices["value"].idxmax()]
    title = f"Log loss by {name}: highest for {clean_label(highest['slice'])}, {format_interval(highest, 3)}"
    figure, grid = make_panels(0.9 + 0.24 * sum(heights), title, heights)
    for axes, (dimension, rows) in zip(grid, panels, strict=True):
        overall = axes.axvline(metrics["log_loss"]["value"], color=GREY, linestyle="--", linewidth=1)
        draw_intervals(axes, rows)
        label_rows(axes, [f"{row} ({count:,})" for row, count in zip(rows["slice"], rows["battles"], strict=True)])
        if len(panels) > 1:
            axes.set_title(dimension, **PANEL_TITLE)
    grid[-1].set_xlabel("log loss (nats, lower is better), 95 % interval; (battles)")
    add_legend(figure, handles=[overall], labels=["all battles"])
    return figure


def plot_feature_groups(feature_importance: pd.DataFrame) -> Figure:
    """Draw the importance of each group of features."""
    groups = feature_importance.groupby("group")["importance"].agg(["sum", "size"]).sort_values("sum", ascending=False)
    title = f"Importance by feature group: {groups.index[0]} {groups['sum'].iloc[0]:.1f} %"
    figure, axes = make_axes(1.1 + 0.35 * len(groups), title)
    bars = axes.barh(len(groups) - 1 - np.arange(len(groups)), groups["sum"], color=BLUE)
    axes.bar_label(bars, [f" {value:.1f} %" for value in groups["sum"]], fontsize=9)
    label_rows(axes, [f"{name} ({count})" for name, count in groups["size"].items()])
    axes.set_xlim(0, groups["sum"].max() * 1.15)
    axes.set_xlabel("importance (% of all contributions to the scores); (features)")
    return figure


def plot_feature_importance(feature_importance: pd.DataFrame, top_features: int) -> Figure:
    """Draw the most important features, coloured by whether they differ between the sides."""
    top = feature_importance.head(top_features)
    title = f"Top {len(top)} of {len(feature_importance)} features: {top['importance'].sum():.0f} % of importance"
    figure, axes = make_axes(1.4 + 0.22 * len(top), title)
    antisymmetric = np.array([is_antisymmetric(name) for name in top["feature"]])
    positions = len(top) - 1 - np.arange(len(top))
    for chosen, colour, label in (
        (antisymmetric, BLUE, "differs between the sides"),
        (~antisymmetric, ORANGE, "same for both sides"),
    ):
        axes.barh(positions[chosen], top["importance"].to_numpy()[chosen], color=colour, label=label)
    label_rows(axes, [format_feature(name) for name in top["feature"]])
    axes.set_xlabel("importance (% of all contributions to the scores)")
    add_legend(figure)
    return figure


def plot_ablation(ablation: pd.DataFrame) -> Figure:
    """Draw how much the log loss rises without each feature group."""
    table, xlabel = ablation.rename(columns={"difference": "value"}), "log loss without it minus with it (nats)"
    return _plot_differences(table, ablation["left_out"], "Ablation", f"{xlabel}, 95 % interval")


def _plot_differences(table: pd.DataFrame, names: pd.Series, subject: str, xlabel: str) -> Figure:
    clear = (table["low"] > 0) | (table["high"] < 0)
    title = f"{subject}: {clear.sum()} of {len(table)} intervals exclude 0"
    figure, axes = make_axes(1.3 + 0.24 * len(table), title)
    draw_intervals(axes, table, VERMILION, "D", label="interval excludes 0", rows=clear)
    draw_intervals(axes, table, BLUE, label="interval includes 0", rows=~clear)
    axes.axvline(0, color="black", linewidth=0.8)
    label_rows(axes, names.tolist())
    axes.set_xlabel(xlabel)
    add_legend(figure)
    return figure
