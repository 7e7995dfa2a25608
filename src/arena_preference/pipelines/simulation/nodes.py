"""Nodes of the pipeline ``simulation``."""

import json
import logging
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from arena_preference.battles import (
    ID,
    LABEL_COLUMNS,
    MODEL_COLUMNS,
    TEXT_COLUMNS,
    FloatArray,
    count_characters,
    length_features,
)

from .drafts import Draft, draft_battles
from .draws import Draws
from .margins import compute_log_loss, summarise_split
from .options import SimulationOptions
from .quirks import add_quirks
from .verdicts import compute_quality, compute_verdict_probabilities, draw_labels, measure_style

logger = logging.getLogger(__name__)

_LARGEST_ID = 2**32
# The last digits of an exponential differ between processors, and the same seed is to give the same bytes.
_DECIMALS = 9
# Each split draws from a stream of its own, so the size of one changes nothing in the other.
_TRAIN, _TEST = 0, 1


def simulate_train_battles(options: SimulationOptions, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate train.csv and the truth behind it.

    Args:
        options: Parameters ``simulation``.
        seed: The project's seed.

    Returns:
        Battles in the competition's schema, text cells as JSON lists of turns; and their true probabilities with the
        drawn ``label``, row by row.
    """
    return _simulate(options.battles, options, seed, _TRAIN)


def simulate_test_battles(options: SimulationOptions, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate test.csv, which tells neither chatbots nor verdicts, and the truth behind it.

    Args:
        options: Parameters ``simulation``.
        seed: The project's seed.

    Returns:
        As ``simulate_train_battles``, the battles without the columns of chatbots and verdicts.
    """
    battles, truth = _simulate(options.test_battles, options, seed, _TEST)
    return battles[[ID, *TEXT_COLUMNS]], truth


def summarise_simulation(
    train: pd.DataFrame,
    train_truth: pd.DataFrame,
    test: pd.DataFrame,
    test_truth: pd.DataFrame,
    options: SimulationOptions,
    seed: int,
) -> dict[str, Any]:
    """Report what was written: the floor of the log loss, what length alone reaches, and the distance from real data.

    Args:
        train: Battles as read back from train.csv.
        train_truth: Their true probabilities and labels.
        test: Battles as read back from test.csv.
        test_truth: Their true probabilities and labels.
        options: Parameters ``simulation``.
        seed: The project's seed.

    Returns:
        Per split the number of battles, the Bayes limit, the log loss of a logistic regression on length that was
        fitted on train, and each margin with its target.
    """
    splits = {"train": (train, train_truth), "test": (test, test_truth)}
    lengths = {split: _measure_lengths(battles) for split, (battles, _) in splits.items()}
    labels = {split: truth["label"].to_numpy() for split, (_, truth) in splits.items()}
    length_model = LogisticRegression(max_iter=1000).fit(length_features(lengths["train"]), labels["train"])
    summary: dict[str, Any] = {"seed": seed, "parameters": options.model_dump()}
    for split, (battles, truth) in splits.items():
        prompts = [json.loads(cell) for cell in battles["prompt"]]
        probabilities = truth[list(LABEL_COLUMNS)].to_numpy()
        report = summarise_split(prompts, lengths[split], labels[split], probabilities)
        by_length = length_model.predict_proba(length_features(lengths[split]))
        report["length_only_log_loss"] = round(compute_log_loss(by_length, labels[split]), 4)
        summary[split] = report
        logger.info(
            "%s: %d battles, Bayes limit %.4f, length only %.4f",
            split,
            report["battles"],
            report["bayes_optimal_log_loss"],
            report["length_only_log_loss"],
        )
    return summary


def _simulate(count: int, options: SimulationOptions, seed: int, stream: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    writing, irregular, judging, naming = (np.random.default_rng([seed, stream, purpose]) for purpose in range(4))
    drafts = add_quirks(draft_battles(count, options, writing), Draws(irregular), irregular)
    truth = _compute_truth(drafts, options)
    labels = draw_labels(truth, judging)
    first_place: dict[int, int] = {}
    # An exact duplicate repeats the verdict as well.
    labels = labels[[first_place.setdefault(id(draft), place) for place, draft in enumerate(drafts)]]
    # Odd ids in one split and even ones in the other, so that no battle of one is mistaken for one of the other.
    ids = 2 * _draw_increasing_ids(count, _LARGEST_ID // 2, naming) + stream
    return _tabulate_battles(drafts, ids, labels), _tabulate_truth(ids, truth, labels)


def _compute_truth(drafts: list[Draft], options: SimulationOptions) -> FloatArray:
    traits = np.array([[np.mean(side, axis=0) for side in draft.traits] for draft in drafts])
    strengths = np.array([[chatbot.strength for chatbot in draft.chatbots] for draft in drafts])
    styles = np.array(
        [[measure_style("\n".join(turn or "" for turn in side)) for side in draft.answers] for draft in drafts],
        dtype=float,
    )
    return compute_verdict_probabilities(compute_quality(traits, strengths, options), styles, options)


def _draw_increasing_ids(count: int, limit: int, generator: np.random.Generator) -> np.ndarray:
    edges = np.linspace(0, limit, count + 1).astype(np.int64)
    return generator.integers(edges[:-1], edges[1:])


def _tabulate_battles(drafts: list[Draft], ids: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    columns: dict[str, Any] = {ID: ids}
    for side, name in enumerate(MODEL_COLUMNS):
        columns[name] = [draft.chatbots[side].name for draft in drafts]
    columns["prompt"] = [json.dumps(draft.prompt) for draft in drafts]
    columns["response_a"] = [json.dumps(draft.answers[0]) for draft in drafts]
    columns["response_b"] = [json.dumps(draft.answers[1]) for draft in drafts]
    for label, name in enumerate(LABEL_COLUMNS):
        columns[name] = (labels == label).astype(np.int64)
    return pd.DataFrame(columns)


def _tabulate_truth(ids: np.ndarray, truth: FloatArray, labels: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({ID: ids, **dict(zip(LABEL_COLUMNS, truth.round(_DECIMALS).T, strict=True)), "label": labels})


def _measure_lengths(battles: pd.DataFrame) -> FloatArray:
    return np.array(
        [[count_characters(json.loads(cell)) for cell in battles[name]] for name in TEXT_COLUMNS[1:]], dtype=float
    ).T
