"""Size, colours and error bars that the figures of the report and of the notebook share."""

import textwrap
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from arena_preference.battles import LABEL_COLUMNS
from arena_preference.symmetry import FORM_SEPARATOR

from .performance import LABEL_NAMES

# Okabe and Ito's palette, which is distinguishable with any colour vision.
BLUE, ORANGE, GREEN, VERMILION, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#767676"
#: Name, colour and marker of each class.
CLASSES: Final = dict(zip(LABEL_COLUMNS, zip(LABEL_NAMES, (BLUE, ORANGE, GREEN), "os^", strict=True), strict=True))
# Narrow, so that text is still legible when a phone shows the whole width.
_WIDTH: Final = 5.6
_DPI: Final = 160
_TITLE_CHARACTERS: Final = 72
_LABEL_CHARACTERS: Final = 34
PANEL_TITLE: Final[dict[str, Any]] = {"loc": "left", "fontsize": 9.5}
_STYLE: Final[dict[Any, Any]] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 9,
    "grid.alpha": 0.3,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}


def make_axes(height: float, title: str) -> tuple[Figure, Axes]:
    """Return a figure of the report's width with one set of axes; height in inches."""
    figure, (axes,) = make_panels(height, title, [1.0])
    return figure, axes


def make_panels(height: float, title: str, height_ratios: list[float]) -> tuple[Figure, list[Axes]]:
    """Return a figure with axes below each other that share the x axis; height in inches."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, layout="constrained")
        panels = figure.subplots(len(height_ratios), sharex=True, squeeze=False, height_ratios=height_ratios)
    figure.suptitle(textwrap.fill(title, _TITLE_CHARACTERS), fontsize=10.5, x=0.01, ha="left")
    return figure, list(panels[:, 0])


def add_legend(figure: Figure, **legend: Any) -> None:
    """Add a legend below the axes, in two columns."""
    figure.legend(loc="outside lower right", frameon=False, fontsize=9, ncols=2, **legend)


def error_bars(table: pd.DataFrame) -> npt.NDArray[Any]:
    """Return the lengths of intervals below and above their values, shape (2, n)."""
    value, low, high = (table[name].to_numpy(dtype=float) for name in ("value", "low", "high"))
    return np.clip(np.stack([value - low, high - value]), 0.0, None)


def draw_intervals(
    axes: Axes,
    table: pd.DataFrame,
    colour: str = BLUE,
    marker: str = "o",
    shift: float = 0.0,
    label: str | None = None,
    rows: npt.ArrayLike | None = None,
) -> None:
    """Draw the ``value`` of each row with its interval, ``low`` to ``high``, the first row on top.

    ``shift`` moves them upwards, in rows, which keeps two series apart; ``rows`` masks the rows to draw.
    """
    drawn = np.arange(len(table)) if rows is None else np.flatnonzero(rows)
    if len(drawn):
        axes.errorbar(
            table["value"].to_numpy()[drawn],
            len(table) - 1 - drawn + shift,
            xerr=error_bars(table)[:, drawn],
            fmt=marker,
            color=colour,
            markersize=5,
            linewidth=1.5,
            capsize=2,
            label=label,
        )


def label_rows(axes: Axes, names: list[str]) -> None:
    """Label the rows of a figure, the first on top."""
    axes.set_yticks(len(names) - 1 - np.arange(len(names)), [clean_label(name) for name in names])
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.grid(visible=False, axis="y")


def clean_label(text: str) -> str:
    """Return a name that can be drawn: no mathematics, no letters that the font lacks, at most 34 characters."""
    drawable = "".join(letter if letter.isprintable() else " " for letter in text)
    drawable = drawable.encode("latin-1", "replace").decode("latin-1")
    return textwrap.shorten(drawable, _LABEL_CHARACTERS, placeholder="...").replace("$", r"\$")


def select_interval(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return one quantity's ``value``, ``low`` and ``high`` from a table of several."""
    return table[[name, f"{name}_low", f"{name}_high"]].set_axis(["value", "low", "high"], axis=1)


def format_interval(interval: Mapping[str, float], digits: int = 4, sign: bool = False) -> str:
    """Format a value with its 95 % interval: ``0.868 [0.835, 0.906]``."""
    spec = f"{'+' if sign else ''}.{digits}f"
    return f"{interval['value']:{spec}} [{interval['low']:{spec}}, {interval['high']:{spec}}]"


def format_percent(interval: Mapping[str, float]) -> str:
    """Format a fraction with its 95 % interval in percent: ``49.1 % [46.6, 52.6]``."""
    return f"{100 * interval['value']:.1f}\u00a0% [{100 * interval['low']:.1f}, {100 * interval['high']:.1f}]"


def format_ratio(value: float) -> str:
    """Format a ratio of lengths with as many digits as it takes."""
    return f"{value:.2f}×" if value < 2 else f"{value:.1f}×" if value < 10 else f"{value:.0f}×"


def format_feature(feature: str) -> str:
    """Format a feature's name for readers: quantity and form."""
    return " · ".join(part.replace("_", " ") for part in feature.rsplit(FORM_SEPARATOR, 1))
