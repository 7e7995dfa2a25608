"""Nodes of the pipeline ``reporting`` that draw what ``bias`` measured."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .drawing import BLUE, GREY, ORANGE, VERMILION, draw_note, draw_rows, make_axes, measure_arms, name_rows


def plot_position_bias(position_bias: dict[str, Any]) -> Figure:
    """Draw how far the first answer is ahead, by the order in which the model is asked.

    Args:
        position_bias: What ``measure_position_bias`` gave.

    Returns:
        Mean probability of A minus that of B with 95 % intervals, next to the verdicts.
    """
    rows = {
        "asked in order": "in_order",
        "asked with sides swapped": "swapped",
        "both orders averaged": "averaged",
        "verdicts": "observed",
    }
    bias = position_bias["bias"]["value"]
    figure, axes = make_axes(2.3, f"Position: standing first is worth {bias:+.3f} to a model asked once")
    table = pd.DataFrame([position_bias[key] for key in rows.values()])
    for place, colour in enumerate((VERMILION, VERMILION, BLUE, GREY)):
        draw_rows(axes, table, colour, rows=table.index == place)
    axes.axvline(0, color="black", linewidth=0.8)
    name_rows(axes, list(rows))
    axes.set_xlabel("mean probability of A minus that of B, 95 % interval", fontsize=9)
    return figure


def plot_verbosity_bias(verbosity_bias: pd.DataFrame) -> Figure:
    """Draw how often the longer answer wins, as predicted and as observed.

    Args:
        verbosity_bias: What ``measure_verbosity_bias`` gave.

    Returns:
        Win rates by how many times longer the longer answer is, or a note where none is.
    """
    bins = verbosity_bias[verbosity_bias["bin"] > 0]
    if bins.empty:
        return draw_note("no verbosity bias: the answers of every battle are of equal length")
    figure, axes = make_axes(3.5, "Verbosity: how often the longer answer wins")
    places = np.arange(len(bins))
    for name, colour, marker, shift in (("predicted", BLUE, "o", -0.1), ("observed", ORANGE, "s", 0.1)):
        table = select_interval(bins, name)
        axes.errorbar(
            places + shift,
            table["value"].to_numpy(),
            yerr=measure_arms(table),
            color=colour,
            marker=marker,
            markersize=5,
            linewidth=1.5,
            capsize=2,
            label=name,
        )
    axes.axhline(0.5, color=GREY, linestyle="--", linewidth=1)
    axes.set_xticks(places, [format_ratio(value) for value in bins["times_longer"]], fontsize=8)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.set_xlabel("times as long as the shorter answer (median of the bin)", fontsize=9)
    axes.set_ylabel("win rate (ties half), 95 % interval", fontsize=9)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False, fontsize=9)
    return figure


def plot_self_enhancement(self_enhancement_bias: pd.DataFrame) -> Figure:
    """Draw by how much the predictions favour each chatbot.

    Args:
        self_enhancement_bias: What ``measure_self_enhancement`` gave.

    Returns:
        Predicted minus observed win rates with 95 % intervals; those that exclude 0 in another colour. A note where
        the battles name no chatbots.
    """
    if self_enhancement_bias.empty:
        return draw_note("no audit by chatbot: these battles do not name the chatbots")
    figure, axes = make_axes(
        1.2 + 0.23 * len(self_enhancement_bias), "Predicted minus observed win rate of each chatbot"
    )
    table = select_interval(self_enhancement_bias, "difference")
    clear = excludes_zero(table)
    for chosen, colour, marker, text in (
        (clear, VERMILION, "D", "interval excludes 0"),
        (~clear, BLUE, "o", "interval includes 0"),
    ):
        if chosen.any():
            draw_rows(axes, table, colour, marker, label=text, rows=chosen)
    axes.axvline(0, color="black", linewidth=0.8)
    name_rows(axes, self_enhancement_bias["chatbot"].astype(str).tolist())
    axes.set_xlabel("predicted minus observed win rate (ties half), 95 % interval", fontsize=9)
    figure.legend(loc="outside lower right", frameon=False, fontsize=9, ncols=2)
    return figure


def plot_formatting_bias(formatting_bias: pd.DataFrame) -> Figure:
    """Draw how much length and formatting sway verdicts and predictions.

    Args:
        formatting_bias: What ``measure_formatting_bias`` gave.

    Returns:
        Coefficients of style control side by side, or a note where no style differs.
    """
    if formatting_bias.empty:
        return draw_note("no formatting bias: length and formatting never differ")
    figure, axes = make_axes(1.5 + 0.4 * len(formatting_bias), "Style: what length and formatting are worth")
    for name, colour, marker, shift in (("predictions", BLUE, "o", 0.12), ("verdicts", ORANGE, "s", -0.12)):
        draw_rows(axes, select_interval(formatting_bias, name), colour, marker, shift, name)
    axes.axvline(0, color="black", linewidth=0.8)
    name_rows(axes, [style.replace("_", " ") for style in formatting_bias["style"]])
    axes.set_xlabel("log odds of winning per standard deviation of the share, 95 % interval", fontsize=9)
    figure.legend(loc="outside lower right", frameon=False, fontsize=9, ncols=2)
    return figure


def select_interval(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Take one quantity's ``value``, ``low`` and ``high`` out of a table that holds several."""
    return table[[name, f"{name}_low", f"{name}_high"]].set_axis(["value", "low", "high"], axis=1)


def excludes_zero(table: pd.DataFrame) -> pd.Series:
    """Tell which intervals lie on one side of 0."""
    return (table["low"] > 0) | (table["high"] < 0)


def format_ratio(value: float) -> str:
    """Write a ratio of lengths with as many digits as it takes."""
    return f"{value:.2f}×" if value < 2 else f"{value:.1f}×" if value < 10 else f"{value:.0f}×"
