"""Nodes of the pipeline ``reporting`` for error analysis: log loss by slice, and the battles with the highest."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from catboost import CatBoost, Pool

from arena_preference.battles import (
    ID,
    LABEL_COLUMNS,
    MODEL_COLUMNS,
    ORIGINAL_ORDER,
    PREFERS_A,
    PREFERS_B,
    SWAPPED_ORDER,
    TEXT_COLUMNS,
    FloatArray,
    align_rows,
    count_characters,
)
from arena_preference.metrics import compute_losses, estimate_ratios, select_probabilities
from arena_preference.symmetry import FORM_SEPARATOR, swap_features
from arena_preference.targets import read_targets

from .config import ReportingConfig
from .performance import to_records

PROMPT_KIND: Final = "prompt kind"
_BASE_MODELS: Final = (ORIGINAL_ORDER, SWAPPED_ORDER, "bow_", "cross_encoder_")
# Texts in other scripts are mostly non-ASCII; accents alone stay far below.
OTHER_SCRIPT_FRACTION: Final = 0.25
# About a quarter of the words of English prose are among the function words that are counted.
ENGLISH_FRACTION: Final = 0.1
_TOP_FEATURES: Final = 5
_MIN_EXCERPT: Final = 60

Slices = dict[str, npt.NDArray[np.bool_]]


def score_slices(
    oof_predictions: pd.DataFrame,
    battles: pd.DataFrame,
    model_input: pd.DataFrame,
    config: ReportingConfig,
    seed: int,
) -> pd.DataFrame:
    """Compute the log loss on slices of the battles.

    Returns:
        One row per slice that has battles: ``dimension``, ``slice``, ``battles``, and log loss as ``value``, ``low``,
        ``high``. A battle may have several prompt kinds.
    """
    texts = align_rows(battles, oof_predictions[ID], "train_battles")
    features = align_rows(model_input, oof_predictions[ID], "train_model_input")
    dimensions = {
        "turns": _slice_turns(texts),
        "prompt language": _slice_languages(features),
        "response length": _slice_lengths(texts),
        "base model agreement": _slice_agreement(oof_predictions),
        PROMPT_KIND: _slice_prompt_kinds(features),
    }
    members = pd.concat({name: pd.DataFrame(slices) for name, slices in dimensions.items() if slices}, axis=1)
    members = members.loc[:, members.any()]
    table = members.sum().rename_axis(["dimension", "slice"]).reset_index(name="battles")
    losses = compute_losses(select_probabilities(oof_predictions), read_targets(oof_predictions))
    inside, groups = members.to_numpy(dtype=float), oof_predictions["prompt_group"]
    return table.join(estimate_ratios(inside * losses[:, None], inside, groups, config.n_resamples, seed))


def find_highest_loss_battles(
    oof_predictions: pd.DataFrame,
    battles: pd.DataFrame,
    model_input: pd.DataFrame,
    oof_bow_logits: pd.DataFrame,
    preference_model: CatBoost,
    config: ReportingConfig,
) -> list[dict[str, Any]]:
    """Return the battles with the highest log loss, and the features that favoured each side.

    The explanation is of the stored model, an average over the folds: SHAP values (Lundberg et al., 2020) of A's score
    minus B's, averaged over both orders.

    Returns:
        By descending log loss: ``id``, ``label``, ``probabilities``, ``log_loss``, ``models`` (names or None), each
        text as a list of excerpts ``{head, omitted, tail}``, and ``favours_a`` and ``favours_b``, each a list of
        ``{feature, value, contribution}`` by descending contribution.
    """
    labels, probabilities = oof_predictions["label"].to_numpy(), select_probabilities(oof_predictions)
    losses, ids = compute_losses(probabilities, read_targets(oof_predictions)), oof_predictions[ID]
    rows = np.argsort(-losses, kind="stable")[: config.highest_loss_battles]
    texts = align_rows(battles, ids, "train_battles").iloc[rows]
    features = align_rows(model_input, ids, "train_model_input").join(
        align_rows(oof_bow_logits, ids, "oof_bow_logits").drop(columns=ID)
    )
    features = features.loc[rows, preference_model.feature_names_]
    contributions = explain_margin(preference_model, features)
    return [
        {
            "id": battle[ID],
            "label": int(labels[row]),
            "probabilities": probabilities[row].tolist(),
            "log_loss": float(losses[row]),
            "models": [None if pd.isna(battle.get(name)) else clean_text(str(battle[name])) for name in MODEL_COLUMNS],
            **{name: cut_turns(battle[name], config.excerpt_characters) for name in TEXT_COLUMNS},
            "favours_a": _select_strongest(values, margins),
            "favours_b": _select_strongest(values, -margins),
        }
        for row, battle, (_, values), margins in zip(
            rows, texts.to_dict("records"), features.iterrows(), contributions, strict=True
        )
    ]


def explain_margin(preference_model: CatBoost, features: pd.DataFrame) -> FloatArray:
    """Split A's score minus B's, averaged over both orders, into the contributions of the features.

    Returns:
        Shape (n, features), in the order of the columns. A row sums to the difference of the model's logits.
    """
    # CatBoost up to 1.2 ignores the scale in SHAP values, or rejects a model that has one (its issue 2389).
    unscaled = preference_model.copy()
    scale, bias = unscaled.get_scale_and_bias()
    unscaled.set_scale_and_bias(1.0, [0.0] * len(np.atleast_1d(bias)))
    original, swapped = (
        values[:, PREFERS_A, :-1] - values[:, PREFERS_B, :-1]
        for values in (
            unscaled.get_feature_importance(Pool(table), type="ShapValues")
            for table in (features, swap_features(features))
        )
    )
    return scale * np.asarray(original - swapped) / 2


def cut_turns(turns: Sequence[str | None], characters: int) -> list[dict[str, Any]]:
    """Cut the middle out of long turns, so that all turns together keep so many characters, each at least 60.

    Returns:
        One excerpt ``{head, omitted, tail}`` per turn; ``omitted`` counts the characters between the two.
    """
    budget = max(_MIN_EXCERPT, characters // max(len(turns), 1))
    excerpts = []
    for text in (turn or "" for turn in turns):
        omitted = max(0, len(text) - budget)
        tail = budget // 3 if omitted else 0
        head = text[: budget - tail]
        excerpts.append({"head": clean_text(head), "omitted": omitted, "tail": clean_text(text[len(text) - tail :])})
    return excerpts


def clean_text(text: str) -> str:
    """Replace what HTML cannot hold: lone surrogates, and control characters other than tab and new line."""
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    return "".join("\ufffd" if ord(letter) < 32 and letter not in "\t\n" else letter for letter in text)


def _select_strongest(values: pd.Series, contributions: FloatArray) -> list[dict[str, Any]]:
    table = pd.DataFrame({"feature": values.index, "value": values.to_numpy(), "contribution": contributions})
    return to_records(table[table["contribution"] > 0].nlargest(_TOP_FEATURES, "contribution"))


def _slice_turns(battles: pd.DataFrame) -> Slices:
    turns = battles["prompt"].map(len).to_numpy()
    return {"1 turn": turns <= 1, "2 turns": turns == 2, "3 or more": turns >= 3}


def _slice_lengths(battles: pd.DataFrame) -> Slices:
    characters = battles[list(TEXT_COLUMNS[1:])].map(count_characters).sum(axis=1).to_numpy()
    edges = np.quantile(characters, [0.25, 0.5, 0.75]).round().astype(int)
    quarter = np.searchsorted(edges, characters, side="left")
    names = [
        f"up to {edges[0]:,} characters",
        *(f"{low + 1:,} to {high:,}" for low, high in pairwise(edges)),
        f"more than {edges[-1]:,}",
    ]
    return {name: quarter == index for index, name in enumerate(names)}


def _slice_languages(features: pd.DataFrame) -> Slices:
    other_script = (features[f"non_ascii_share{FORM_SEPARATOR}prompt"] >= OTHER_SCRIPT_FRACTION).to_numpy()
    english = (features[f"english_share{FORM_SEPARATOR}prompt"] >= ENGLISH_FRACTION).to_numpy()
    return {
        "English": english & ~other_script,
        "other Latin script": ~english & ~other_script,
        "other scripts": other_script,
    }


def _slice_prompt_kinds(features: pd.DataFrame) -> Slices:
    prefix, suffix = "kind_", f"{FORM_SEPARATOR}prompt"
    kinds = {
        name.removeprefix(prefix).removesuffix(suffix).replace("_", " "): features[name].to_numpy() > 0
        for name in features.columns
        if name.startswith(prefix) and name.endswith(suffix)
    }
    return kinds | {"none of these": ~np.any(list(kinds.values()), axis=0)} if kinds else {}


def _slice_agreement(oof_predictions: pd.DataFrame) -> Slices:
    prefixes = [prefix for prefix in _BASE_MODELS if f"{prefix}{LABEL_COLUMNS[0]}" in oof_predictions]
    likeliest = np.column_stack([select_probabilities(oof_predictions, prefix).argmax(axis=1) for prefix in prefixes])
    agree = (likeliest == likeliest[:, :1]).all(axis=1)
    return {"all agree": agree, "some disagree": ~agree}
