"""Nodes of the pipeline ``reporting``."""

from typing import Any

import numpy as np
import pandas as pd
from catboost import CatBoost
from matplotlib.figure import Figure

from arena_preference.battles import FORM_SEPARATOR, LABEL_COLUMNS, is_antisymmetric

from .options import ReportingOptions

# Okabe and Ito's palette, which people with any colour vision can tell apart.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#999999"
CLASSES = dict(
    zip(LABEL_COLUMNS, (("prefers A", BLUE, "o"), ("prefers B", ORANGE, "s"), ("tie", GREEN, "^")), strict=True)
)


def plot_reliability(oof_predictions: pd.DataFrame, metrics: dict[str, Any], options: ReportingOptions) -> Figure:
    """Draw how often each verdict came true against how probable the models said it was.

    Args:
        oof_predictions: Schema ``OutOfFoldPredictions``.
        metrics: What ``evaluate_predictions`` gave.
        options: Parameters ``reporting``.

    Returns:
        One line per class over bins of equal counts, with 95 % intervals of the observed share.
    """
    figure = Figure(figsize=(6.4, 6), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfect calibration")
    highest = 0.0
    for label, (name, (text, colour, marker)) in enumerate(CLASSES.items()):
        predicted = oof_predictions[name].to_numpy()
        observed = (oof_predictions["label"] == label).to_numpy()
        bins = np.array_split(np.argsort(predicted, kind="stable"), min(options.reliability_bins, len(predicted)))
        mean = np.array([predicted[rows].mean() for rows in bins])
        share = np.array([observed[rows].mean() for rows in bins])
        count = np.array([len(rows) for rows in bins])
        error = 1.96 * np.sqrt(share * (1 - share) / count)
        axes.errorbar(
            mean, share, yerr=error, color=colour, marker=marker, markersize=5, linewidth=1.5, capsize=2, label=text
        )
        highest = max(highest, mean.max(), (share + error).max())
    limit = min(1.0, np.ceil(highest * 10 + 0.5) / 10)
    axes.set(
        xlim=(0, limit),
        ylim=(0, limit),
        aspect="equal",
        xlabel="predicted probability",
        ylabel="observed share of battles",
    )
    axes.set_title(
        f"Reliability out of fold ({metrics['battles']:,} battles)\n"
        f"expected calibration error {metrics['expected_calibration_error']['value']:.3f}, "
        f"log loss {metrics['log_loss']['value']:.4f}",
        fontsize=11,
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", frameon=False)
    return figure


def plot_feature_importance(preference_model: CatBoost, options: ReportingOptions) -> Figure:
    """Draw which features move the model's scores most.

    Args:
        preference_model: The stored model.
        options: Parameters ``reporting``.

    Returns:
        Bars of CatBoost's ``PredictionValuesChange``, which sums to 100 over all features; the colour says whether a
        feature tells the sides apart or describes the battle as a whole.
    """
    importance = pd.Series(preference_model.get_feature_importance(), index=preference_model.feature_names_)
    top = importance.nlargest(options.top_features).iloc[::-1]
    antisymmetric = np.array([is_antisymmetric(name) for name in top.index])
    figure = Figure(figsize=(7.5, 1.4 + 0.27 * len(top)), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    positions = np.arange(len(top))
    for chosen, colour, text in (
        (antisymmetric, BLUE, "difference of the sides (A against B)"),
        (~antisymmetric, ORANGE, "same for both orders (tie or not)"),
    ):
        axes.barh(positions[chosen], top.to_numpy()[chosen], color=colour, label=text)
    labels = [" · ".join(part.replace("_", " ") for part in name.rsplit(FORM_SEPARATOR, 1)) for name in top.index]
    axes.set_yticks(positions, labels, fontsize=8)
    axes.set_ylim(-0.6, len(top) - 0.4)
    axes.set_xlabel("importance (share of the change in scores, %)")
    axes.set_title(
        f"The {len(top)} strongest of {len(importance)} features, {top.sum():.0f} % of the whole", fontsize=11
    )
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    return figure
