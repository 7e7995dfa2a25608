"""What the figures of the report share: size, colours, interval marks."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from arena_preference.battles import LABEL_COLUMNS

# Okabe and Ito's palette, which people with any colour vision can tell apart.
BLUE, ORANGE, GREEN, VERMILION, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#767676"
CLASSES: Final = dict(
    zip(LABEL_COLUMNS, (("prefers A", BLUE, "o"), ("prefers B", ORANGE, "s"), ("tie", GREEN, "^")), strict=True)
)
# Narrow, so that letters are still legible when a phone shows the whole width.
_WIDTH: Final = 5.6
_DPI: Final = 160
_LONGEST_LABEL: Final = 34


def make_figure(height: float) -> Figure:
    """Open an empty figure of the report's width; height in inches."""
    return Figure(figsize=(_WIDTH, height), dpi=_DPI, layout="constrained")


def make_axes(height: float, title: str) -> tuple[Figure, Axes]:
    """Open a figure with one set of axes; height in inches."""
    figure = make_figure(height)
    axes = figure.add_subplot()
    figure.suptitle(title, fontsize=10.5, x=0.01, ha="left")
    axes.tick_params(labelsize=9)
    return figure, axes


def draw_note(text: str) -> Figure:
    """Say in one line why there is nothing to draw: a dataset of a figure always gets one."""
    figure = make_figure(0.6)
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=9, color=GREY)
    return figure


def measure_arms(table: pd.DataFrame) -> npt.NDArray[Any]:
    """Give how far the intervals reach below and above their values, shape (2, n)."""
    value, low, high = (table[name].to_numpy(dtype=float) for name in ("value", "low", "high"))
    return np.clip(np.stack([value - low, high - value]), 0.0, None)


def draw_rows(
    axes: Axes,
    table: pd.DataFrame,
    colour: str = BLUE,
    marker: str = "o",
    shift: float = 0.0,
    label: str | None = None,
    rows: npt.ArrayLike | None = None,
) -> None:
    """Draw one value with its interval in each row, the first row on top.

    Args:
        axes: Where to draw.
        table: Columns ``value``, ``low`` and ``high``, one row for each row of the figure.
        colour: Of marks and intervals.
        marker: Of the values.
        shift: Moves the marks up, in rows, to keep two series apart.
        label: Entry in the legend.
        rows: Which rows to draw, a mask; all of them by default.
    """
    drawn = np.arange(len(table)) if rows is None else np.flatnonzero(rows)
    axes.errorbar(
        table["value"].to_numpy()[drawn],
        len(table) - 1 - drawn + shift,
        xerr=measure_arms(table)[:, drawn],
        fmt=marker,
        color=colour,
        markersize=5,
        linewidth=1.5,
        capsize=2,
        label=label,
    )


def name_rows(axes: Axes, names: list[str]) -> None:
    """Name the rows of a figure, the first on top."""
    axes.set_yticks(len(names) - 1 - np.arange(len(names)), [clean_label(name) for name in names], fontsize=9)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)


def clean_label(text: str) -> str:
    """Make any name drawable: no mathematics, no letters that the font lacks, not too long."""
    drawable = "".join(letter if letter.isprintable() else " " for letter in text)
    drawable = drawable.encode("latin-1", "replace").decode("latin-1")
    if len(drawable) > _LONGEST_LABEL:
        drawable = f"{drawable[: _LONGEST_LABEL - 3]}..."
    return drawable.replace("$", r"\$")
