"""Nodes of the pipeline ``reporting`` that show what the predictions rest on."""

import numpy as np
import pandas as pd
from catboost import CatBoost
from matplotlib.figure import Figure

from arena_preference.symmetry import FORM_SEPARATOR, is_antisymmetric

from .bias_figures import excludes_zero
from .config import ReportingConfig
from .drawing import BLUE, GREY, ORANGE, clean_label, draw_note, draw_rows, make_axes, name_rows


def name_feature(feature: str) -> str:
    """Write a feature's name for readers: quantity and form."""
    return " · ".join(part.replace("_", " ") for part in feature.rsplit(FORM_SEPARATOR, 1))


def rank_features(preference_model: CatBoost, feature_groups: dict[str, list[str]]) -> pd.DataFrame:
    """Rank the features by how much they move the model's scores.

    Args:
        preference_model: The stored model.
        feature_groups: What ``list_feature_groups`` gave.

    Returns:
        ``feature``, ``family`` and ``importance``: CatBoost's ``PredictionValuesChange`` in percent, which sums to 100;
        the strongest first.
    """
    names = list(preference_model.feature_names_)
    family_of = {name: family for family, members in feature_groups.items() for name in members}
    ranking = pd.DataFrame(
        {
            "feature": names,
            "family": [family_of[name] for name in names],
            "importance": preference_model.get_feature_importance(),
        }
    )
    return ranking.sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def plot_feature_importance(feature_importance: pd.DataFrame, options: ReportingConfig) -> Figure:
    """Draw which features move the model's scores most.

    Args:
        feature_importance: What ``rank_features`` gave.
        options: Parameters ``reporting``.

    Returns:
        Bars of the strongest features; the colour says whether a feature tells the sides apart or describes the battle
        as a whole.
    """
    top = feature_importance.head(options.top_features)
    title = (
        f"The {len(top)} strongest of {len(feature_importance)} features, {top['importance'].sum():.0f} % of the whole"
    )
    figure, axes = make_axes(1.4 + 0.22 * len(top), title)
    antisymmetric = np.array([is_antisymmetric(name) for name in top["feature"]])
    positions = len(top) - 1 - np.arange(len(top))
    for chosen, colour, text in (
        (antisymmetric, BLUE, "difference of the sides (A or B)"),
        (~antisymmetric, ORANGE, "same for both orders (tie or not)"),
    ):
        axes.barh(positions[chosen], top["importance"].to_numpy()[chosen], color=colour, label=text)
    name_rows(axes, [name_feature(name) for name in top["feature"]])
    axes.set_xlabel("importance (share of the change in scores, %)", fontsize=9)
    figure.legend(loc="outside lower right", frameon=False, fontsize=9, ncols=2)
    return figure


def plot_family_importance(feature_importance: pd.DataFrame) -> Figure:
    """Draw how much each family of features moves the model's scores.

    Args:
        feature_importance: What ``rank_features`` gave.

    Returns:
        One bar per family, with the number of its features.
    """
    families = sum_families(feature_importance)
    figure, axes = make_axes(1.1 + 0.35 * len(families), "Importance by family of features")
    bars = axes.barh(len(families) - 1 - np.arange(len(families)), families["importance"], color=BLUE)
    axes.bar_label(bars, [f" {value:.1f} %" for value in families["importance"]], fontsize=9)
    counted = zip(families["family"], families["features"], strict=True)
    name_rows(axes, [f"{clean_label(name)} ({count})" for name, count in counted])
    axes.set_xlim(0, families["importance"].max() * 1.15)
    axes.set_xlabel("importance (share of the change in scores, %); (features)", fontsize=9)
    return figure


def sum_families(feature_importance: pd.DataFrame) -> pd.DataFrame:
    """Add up the importance of each family: ``family``, ``importance`` in percent, ``features``; the first leads."""
    grouped = feature_importance.groupby("family", sort=True)["importance"].agg(importance="sum", features="size")
    return grouped.reset_index().sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def plot_ablation(ablation: pd.DataFrame) -> Figure:
    """Draw what leaving out each part costs.

    Args:
        ablation: Columns ``left_out``, ``features``, ``log_loss``, ``difference`` (without it minus with it), ``low``
            and ``high``; zero rows where it was not run.

    Returns:
        Differences of the log loss with 95 % intervals, the costliest on top, or a note where there are none.
    """
    if ablation.empty:
        return draw_note("no ablation: it was not run")
    ranked = ablation.sort_values("difference", ascending=False, kind="stable", ignore_index=True)
    table = ranked.rename(columns={"difference": "value"})
    figure, axes = make_axes(1.3 + 0.27 * len(ranked), "What leaving a part out costs")
    clear = excludes_zero(table)
    for chosen, colour, text in ((clear, BLUE, "interval excludes 0"), (~clear, GREY, "interval includes 0")):
        if chosen.any():
            draw_rows(axes, table, colour, label=text, rows=chosen)
    axes.axvline(0, color="black", linewidth=0.8)
    name_rows(axes, ranked["left_out"].astype(str).str.replace("_", " ").tolist())
    axes.set_xlabel("log loss without it minus with it (nats), 95 % interval", fontsize=9)
    figure.legend(loc="outside lower right", frameon=False, fontsize=9, ncols=2)
    return figure
