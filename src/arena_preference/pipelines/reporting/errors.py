"""Nodes of the pipeline ``reporting`` for error analysis: log loss by slice, and the battles with the highest."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from catboost import CatBoost

from arena_preference.battles import (
    ID,
    LABEL_COLUMNS,
    MODEL_COLUMNS,
    ORIGINAL_ORDER,
    SWAPPED_ORDER,
    TEXT_COLUMNS,
    FloatArray,
    align_rows,
    count_characters,
)
from arena_preference.metrics import compute_losses, estimate_ratios, select_probabilities
from arena_preference.pipelines.modelling.explanation import explain_logits
from arena_preference.pipelines.modelling.linear_model import Arrays
from arena_preference.symmetry import FORM_SEPARATOR
from arena_preference.targets import read_targets

from .config import ReportingConfig
from .performance import to_records

# Dimensions of the slices that have a figure or a table of their own.
PROMPT_KIND: Final = "prompt kind"
LANGUAGE: Final = "language"
CATEGORY: Final = "category"
MODELS: Final = "models"
SOURCE: Final = "source"
#: Languages or categories with the most battles that have a slice each; all others share one.
_TOP_NAMES: Final = 12
_BASE_MODELS: Final = (ORIGINAL_ORDER, SWAPPED_ORDER, "linear_", "cross_encoder_")
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
    ingestion_summary: dict[str, Any],
    config: ReportingConfig,
    seed: int,
) -> pd.DataFrame:
    """Score slices of the main source's battles, and each source if there are several.

    Returns:
        One row per slice that has battles: ``dimension``, ``slice``, ``battles``, log loss as ``value``, ``low``,
        ``high``, and ``prior_log_loss`` and ``accuracy``, each with ``_low`` and ``_high``. A battle may be of several
        prompt kinds and categories.
    """
    main_source = ingestion_summary["main_source"]
    texts = align_rows(battles, oof_predictions[ID], "train_battles")
    features = align_rows(model_input, oof_predictions[ID], "train_model_input")
    sources = _slice_sources(oof_predictions["source"], main_source)
    in_source = (oof_predictions["source"] == main_source).to_numpy()
    models = _slice_models(texts, oof_predictions["fold"], in_source)
    of_source, texts, features = (
        table[in_source].reset_index(drop=True) for table in (oof_predictions, texts, features)
    )
    dimensions = {
        "turns": _slice_turns(texts),
        "prompt language": _slice_languages(features),
        "response length": _slice_lengths(texts),
        "base model agreement": _slice_agreement(of_source),
        PROMPT_KIND: _slice_prompt_kinds(features),
        LANGUAGE: _slice_names(texts, LANGUAGE),
        CATEGORY: _slice_names(texts, CATEGORY, separator=","),
        MODELS: models,
    }
    tables = [_score(name, slices, of_source, config, seed) for name, slices in dimensions.items()]
    return pd.concat([*tables, _score(SOURCE, sources, oof_predictions, config, seed)], ignore_index=True)


def find_highest_loss_battles(
    oof_predictions: pd.DataFrame,
    battles: pd.DataFrame,
    model_input: pd.DataFrame,
    linear_model: Arrays,
    preference_model: CatBoost,
    config: ReportingConfig,
) -> list[dict[str, Any]]:
    """Return the battles with the highest log loss, and the features that favoured each side.

    The explanation is of the stored models, averages over the folds (see ``explain_logits``).

    Returns:
        By descending log loss: ``id``, ``label``, ``probabilities``, ``log_loss``, ``models`` (names or None), each
        text as a list of excerpts ``{head, omitted, tail}``, and ``favours_a`` and ``favours_b``, each a list of
        ``{feature, value, contribution}`` by descending contribution.
    """
    labels, probabilities = oof_predictions["label"].to_numpy(), select_probabilities(oof_predictions)
    losses, ids = compute_losses(probabilities, read_targets(oof_predictions)), oof_predictions[ID]
    rows = np.argsort(-losses, kind="stable")[: config.highest_loss_battles]
    texts = align_rows(battles, ids, "train_battles").iloc[rows]
    features = align_rows(model_input, ids, "train_model_input").loc[rows].drop(columns=ID)
    contributions, _ = explain_logits(preference_model, linear_model, features)
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


def _score(
    dimension: str, slices: Slices, oof_predictions: pd.DataFrame, config: ReportingConfig, seed: int
) -> pd.DataFrame:
    slices = {name: rows for name, rows in slices.items() if rows.any()}
    if not slices:
        return pd.DataFrame()
    inside = np.column_stack(list(slices.values())).astype(float)
    table = pd.DataFrame({"dimension": dimension, "slice": list(slices), "battles": inside.sum(axis=0).astype("int64")})
    probabilities, targets = select_probabilities(oof_predictions), read_targets(oof_predictions)
    scores = {
        ("value", "low", "high"): compute_losses(probabilities, targets),
        _name_interval("prior_log_loss"): compute_losses(select_probabilities(oof_predictions, "prior_"), targets),
        _name_interval("accuracy"): probabilities.argmax(axis=1) == oof_predictions["label"].to_numpy(),
    }
    for columns, values in scores.items():
        weighted, groups = inside * values[:, None], oof_predictions["prompt_group"]
        table[list(columns)] = estimate_ratios(weighted, inside, groups, config.n_resamples, seed)
    return table


def _name_interval(name: str) -> tuple[str, str, str]:
    return name, f"{name}_low", f"{name}_high"


def _slice_sources(source: pd.Series, main_source: str) -> Slices:
    """The battles of each file, the main source first; none if there is only one."""
    names = sorted(source.unique(), key=lambda name: (name != main_source, name))
    return {name: (source == name).to_numpy() for name in names} if len(names) > 1 else {}


def _slice_models(battles: pd.DataFrame, fold: pd.Series, in_source: npt.NDArray[np.bool_]) -> Slices:
    """The source's battles by how many of their two models occur in no other fold; none if none names both."""
    names = battles.reindex(columns=list(MODEL_COLUMNS))
    # A model that occurs in two folds occurs in the training folds of each of its battles.
    n_folds = names.assign(fold=fold).melt("fold").groupby("value")["fold"].nunique()
    n_unseen = sum((names[name].map(n_folds) == 1).astype(int) for name in MODEL_COLUMNS)
    n_unseen = n_unseen.where(names.notna().all(axis=1), -1).to_numpy()[in_source]
    numbers = {"both seen": 0, "one unseen": 1, "both unseen": 2, "not given": -1}
    return {name: n_unseen == number for name, number in numbers.items()} if (n_unseen >= 0).any() else {}


def _slice_names(battles: pd.DataFrame, column: str, separator: str | None = None) -> Slices:
    """The battles of the most frequent names in a column, whose cells may hold several, of all others and of none."""
    if column not in battles:
        return {}
    names = battles[column].dropna().astype(str)
    if separator:
        names = names.str.split(separator).explode().astype(str)
    names = names.str.strip()
    names = names[names != ""]
    counts = names.value_counts()
    ranked = sorted(counts.index, key=lambda name: (-counts[name], name))
    chosen = {name: [name] for name in ranked[:_TOP_NAMES]}
    if others := ranked[_TOP_NAMES:]:
        chosen[f"all others: {len(others)}"] = others
    slices = {name: battles.index.isin(names.index[names.isin(members)]) for name, members in chosen.items()}
    return slices | {"not given": ~battles.index.isin(names.index)} if slices else {}


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
