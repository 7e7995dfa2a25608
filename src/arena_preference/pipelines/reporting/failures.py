"""Nodes of the pipeline ``reporting`` that show where the predictions fail."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pandas as pd
from catboost import CatBoost, Pool
from matplotlib.figure import Figure

from arena_preference.battles import ID, MODEL_COLUMNS, PREFERS_A, PREFERS_B, TEXT_COLUMNS, FloatArray, count_characters
from arena_preference.metrics import compute_losses, estimate_ratios, select_probabilities
from arena_preference.symmetry import FORM_SEPARATOR, swap_features

from .config import ReportingConfig
from .drawing import BLUE, GREY, draw_note, draw_rows, make_figure, name_rows
from .tables import list_first_level_models, match_rows

PROMPT_KIND: Final = "prompt kind"
_TURNS, _LANGUAGE, _LENGTH, _AGREEMENT = (
    "turns",
    "language of the prompt",
    "length of both answers",
    "agreement of the first-level models",
)
_DIMENSIONS: Final = (_TURNS, _LANGUAGE, _LENGTH, _AGREEMENT, PROMPT_KIND)
# Texts in other scripts are mostly outside of ASCII; accents alone stay far below.
OTHER_SCRIPT_SHARE: Final = 0.25
# About a quarter of the words of English prose are among the function words that are counted.
ENGLISH_SHARE: Final = 0.1
_FEATURES_NAMED: Final = 5
_LEAST_EXCERPT: Final = 60

Slices = dict[str, dict[str, Any]]


def score_slices(
    oof_predictions: pd.DataFrame,
    battles: pd.DataFrame,
    model_input: pd.DataFrame,
    base_model_predictions: pd.DataFrame,
    options: ReportingConfig,
    seed: int,
) -> pd.DataFrame:
    """Score the predictions on parts of the battles.

    A prompt's language is told by its characters and words: a quarter of the characters outside of ASCII is another
    script, else a tenth of the words being English function words is English.

    Args:
        oof_predictions: Schema ``OutOfFoldPredictions``.
        battles: Training battles, schema ``Battles``.
        model_input: Features of the training battles.
        base_model_predictions: id and three probabilities of each first-level model.
        options: Parameters ``reporting``.
        seed: The project's seed.

    Returns:
        One row per part that has battles: ``dimension``, ``slice``, ``battles``, and the log loss as ``value``, ``low``
        and ``high``. A battle may be in several prompt kinds or in none.
    """
    ids = oof_predictions[ID]
    dimensions = _slice_by_texts(match_rows(battles, ids, "train.battles"))
    dimensions |= _slice_by_prompt(match_rows(model_input, ids, "train.model_input"))
    dimensions |= _slice_by_agreement(match_rows(base_model_predictions, ids, "base_model_predictions"))
    named = [
        (dimension, name, inside)
        for dimension in _DIMENSIONS
        for name, inside in dimensions[dimension].items()
        if inside.any()
    ]
    inside = np.column_stack([members for _, _, members in named]).astype(float)
    losses = compute_losses(select_probabilities(oof_predictions), oof_predictions["label"].to_numpy())
    scores = estimate_ratios(
        inside * losses[:, None], inside, oof_predictions["prompt_group"], options.n_resamples, seed
    )
    parts = pd.DataFrame(
        [(dimension, name, int(members.sum())) for dimension, name, members in named],
        columns=["dimension", "slice", "battles"],
    )
    return pd.concat([parts, scores], axis=1)


def plot_slices(slice_metrics: pd.DataFrame, metrics: dict[str, Any]) -> Figure:
    """Draw the log loss by turns, language, length and agreement.

    Args:
        slice_metrics: What ``score_slices`` gave.
        metrics: What ``evaluate_predictions`` gave.

    Returns:
        One panel per dimension; a line at the log loss of all battles.
    """
    return _draw_panels(slice_metrics[slice_metrics["dimension"] != PROMPT_KIND], metrics)


def plot_prompt_kinds(slice_metrics: pd.DataFrame, metrics: dict[str, Any]) -> Figure:
    """Draw the log loss by kind of prompt.

    Args:
        slice_metrics: What ``score_slices`` gave.
        metrics: What ``evaluate_predictions`` gave.

    Returns:
        One row per kind, the hardest on top; a line at the log loss of all battles. A note where no kind was told.
    """
    kinds = slice_metrics[slice_metrics["dimension"] == PROMPT_KIND]
    if kinds.empty:
        return draw_note("no prompt kinds: the features tell none")
    return _draw_panels(kinds.sort_values("value", ascending=False, kind="stable"), metrics)


def find_highest_loss_battles(
    oof_predictions: pd.DataFrame,
    battles: pd.DataFrame,
    shap_input: pd.DataFrame,
    preference_model: CatBoost,
    options: ReportingConfig,
) -> list[dict[str, Any]]:
    """Show the battles with the highest log loss, and which features spoke for each side.

    Explained is the stored model, an average over the folds, by SHAP values (Lundberg et al., 2020) of A's score minus
    B's, averaged over both orders.

    Args:
        oof_predictions: Schema ``OutOfFoldPredictions``.
        battles: Training battles, schema ``Battles``.
        shap_input: id and the features that the stored model takes, one row per battle.
        preference_model: The stored model.
        options: Parameters ``reporting``.

    Returns:
        From the highest log loss down: ``id``, ``label``, ``probabilities``, ``log_loss``, ``chatbots`` (names or
        None), the texts as lists of excerpts ``{head, left_out, tail}``, and ``speaks_for_a`` and ``speaks_for_b``,
        each a list of ``{feature, value, contribution}``, the strongest first.
    """
    labels, probabilities = oof_predictions["label"].to_numpy(), select_probabilities(oof_predictions)
    losses = compute_losses(probabilities, labels)
    hardest = np.argsort(-losses, kind="stable")[: options.highest_loss_battles]
    ids = oof_predictions[ID].iloc[hardest]
    texts = match_rows(battles, ids, "train.battles")
    features = match_rows(shap_input, ids, "train.shap_input")[preference_model.feature_names_]
    contributions = explain_lead(preference_model, features)
    shown = []
    for place, row in enumerate(hardest):
        texts_of = texts.iloc[place]
        names = [texts_of.get(name) for name in MODEL_COLUMNS]
        shown.append(
            {
                "id": int(texts_of[ID]),
                "label": int(labels[row]),
                "probabilities": probabilities[row].tolist(),
                "log_loss": float(losses[row]),
                "chatbots": [None if pd.isna(name) else clean_text(str(name)) for name in names],
                **{name: cut_turns(texts_of[name], options.excerpt_characters) for name in TEXT_COLUMNS},
                "speaks_for_a": _name_strongest(features.iloc[place], contributions[place]),
                "speaks_for_b": _name_strongest(features.iloc[place], -contributions[place]),
            }
        )
    return shown


def explain_lead(preference_model: CatBoost, features: pd.DataFrame) -> FloatArray:
    """Split A's score minus B's into what each feature contributes, averaged over both orders.

    Args:
        preference_model: The stored model.
        features: The model's features in its order, one row per battle.

    Returns:
        Shape (n, features). A row sums to the difference of the logits that the model gives.
    """
    # CatBoost up to 1.2 leaves the scale out of SHAP values, or refuses a model that has one (its issue 2389).
    unscaled = preference_model.copy()
    scale, bias = unscaled.get_scale_and_bias()
    unscaled.set_scale_and_bias(1.0, [0.0] * len(np.atleast_1d(bias)))
    in_order, swapped = (
        unscaled.get_feature_importance(Pool(table), type="ShapValues") for table in (features, swap_features(features))
    )
    leads = [values[:, PREFERS_A, :-1] - values[:, PREFERS_B, :-1] for values in (in_order, swapped)]
    return scale * np.asarray(leads[0] - leads[1]) / 2


def cut_turns(turns: Sequence[str | None], characters: int) -> list[dict[str, Any]]:
    """Cut the middle out of turns that are long; a null turn is empty.

    Args:
        turns: The turns of a prompt or an answer.
        characters: To be kept of all turns together, at least 60 of each.

    Returns:
        One excerpt ``{head, left_out, tail}`` per turn; ``left_out`` counts the characters between the two.
    """
    budget = max(_LEAST_EXCERPT, characters // max(len(turns), 1))
    excerpts = []
    for turn in turns:
        text = turn or ""
        if len(text) <= budget:
            head, left_out, tail = text, 0, ""
        else:
            end = budget // 3
            head, tail = text[: budget - end], text[len(text) - end :]
            left_out = len(text) - budget
        excerpts.append({"head": clean_text(head), "left_out": left_out, "tail": clean_text(tail)})
    return excerpts


def clean_text(text: str) -> str:
    """Replace what no page may hold: lone surrogates and control characters other than tab and new line."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return "".join("\ufffd" if ord(letter) < 32 and letter not in "\t\n" else letter for letter in _unify_lines(whole))


def _unify_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _name_strongest(values: pd.Series, contributions: FloatArray) -> list[dict[str, Any]]:
    strongest = np.argsort(-contributions, kind="stable")[:_FEATURES_NAMED]
    return [
        {
            "feature": str(values.index[place]),
            "value": None if pd.isna(values.iloc[place]) else float(values.iloc[place]),
            "contribution": float(contributions[place]),
        }
        for place in strongest
        if contributions[place] > 0
    ]


def _slice_by_texts(battles: pd.DataFrame) -> Slices:
    turns = battles["prompt"].map(len).to_numpy()
    characters = sum(battles[name].map(count_characters).to_numpy() for name in TEXT_COLUMNS[1:])
    edges = np.quantile(characters, [0.25, 0.5, 0.75]).round().astype(int)
    quarter = np.searchsorted(edges, characters, side="left")
    names = [
        f"up to {edges[0]:,} characters",
        *(f"{low + 1:,} to {high:,}" for low, high in pairwise(edges)),
        f"more than {edges[-1]:,}",
    ]
    return {
        _TURNS: {"1 turn": turns <= 1, "2 turns": turns == 2, "3 or more": turns >= 3},
        _LENGTH: {name: quarter == place for place, name in enumerate(names)},
    }


def _slice_by_prompt(model_input: pd.DataFrame) -> Slices:
    suffix = f"{FORM_SEPARATOR}prompt"
    other_script = model_input[f"non_ascii_share{suffix}"].to_numpy() >= OTHER_SCRIPT_SHARE
    english = model_input[f"english_share{suffix}"].to_numpy() >= ENGLISH_SHARE
    kinds = {
        name.removeprefix("kind_").removesuffix(suffix).replace("_", " "): model_input[name].to_numpy() > 0
        for name in model_input.columns
        if name.startswith("kind_") and name.endswith(suffix)
    }
    unkind = {"none of these": ~np.any(list(kinds.values()), axis=0)} if kinds else {}
    return {
        _LANGUAGE: {
            "English": english & ~other_script,
            "other Latin script": ~english & ~other_script,
            "other scripts": other_script,
        },
        PROMPT_KIND: kinds | unkind,
    }


def _slice_by_agreement(base_model_predictions: pd.DataFrame) -> Slices:
    models = list_first_level_models(base_model_predictions)
    votes = np.column_stack(
        [select_probabilities(base_model_predictions, f"{name}_").argmax(axis=1) for name in models]
    )
    agree = (votes == votes[:, :1]).all(axis=1)
    return {_AGREEMENT: {"all agree": agree, "some disagree": ~agree}}


def _draw_panels(slices: pd.DataFrame, metrics: dict[str, Any]) -> Figure:
    panels = list(slices.groupby("dimension", sort=False))
    heights = [len(rows) + 1.2 for _, rows in panels]
    figure = make_figure(0.9 + 0.24 * sum(heights))
    grid = figure.subplots(len(panels), sharex=True, squeeze=False, height_ratios=heights)
    for axes, (dimension, rows) in zip(grid[:, 0], panels, strict=True):
        overall = axes.axvline(metrics["log_loss"]["value"], color=GREY, linestyle="--", linewidth=1)
        draw_rows(axes, rows, BLUE)
        counted = zip(rows["slice"], rows["battles"], strict=True)
        name_rows(axes, [f"{name} ({count:,})" for name, count in counted])
        axes.set_title(f"By {dimension}", fontsize=10, loc="left")
        axes.tick_params(labelsize=9)
    grid[-1, 0].set_xlabel("log loss (nats; lower is better), 95 % interval; (battles)", fontsize=9)
    figure.legend([overall], ["all battles"], loc="outside lower right", frameon=False, fontsize=9)
    return figure
