"""Nodes of the pipeline ``simulation``."""

import json
import logging
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from arena_preference.battles import (
    ID,
    LABEL_COLUMNS,
    MODEL_COLUMNS,
    TEXT_COLUMNS,
    FloatArray,
    count_characters,
    length_features,
)

from .config import SimulationConfig
from .edge_cases import add_edge_cases
from .labels import compute_label_probabilities, compute_quality, count_style, draw_labels
from .sampling import Sample, sample_battles
from .target_statistics import compare_with_targets

logger = logging.getLogger(__name__)

_MAX_ID = 2**32
# The last digits of an exponential depend on the processor, and the same seed must yield the same bytes.
_DECIMALS = 9
# Each split has its own random stream, so the size of one changes nothing in the other.
_TRAIN, _TEST = 0, 1


def simulate_train_battles(config: SimulationConfig, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate train.csv and its true probabilities.

    Returns:
        Battles in the competition's schema, text cells as JSON lists of turns; and, row by row, their true
        probabilities with the drawn ``label``.
    """
    return _simulate(config.battles, config, seed, _TRAIN)


def simulate_test_battles(config: SimulationConfig, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate test.csv, without models and labels, and its true probabilities."""
    battles, truth = _simulate(config.test_battles, config, seed, _TEST)
    return battles[[ID, *TEXT_COLUMNS]], truth


def summarise_simulation(
    train: pd.DataFrame,
    train_truth: pd.DataFrame,
    test: pd.DataFrame,
    test_truth: pd.DataFrame,
    config: SimulationConfig,
    seed: int,
) -> dict[str, Any]:
    """Summarise both splits, as read back from their files, with their true probabilities and labels.

    Returns:
        Seed and parameters; for each split, the number of battles, the Bayes-optimal log loss, the log loss of a
        logistic regression on length fitted on train, and each statistic with its target.
    """
    lengths = {split: _measure_lengths(battles) for split, battles in (("train", train), ("test", test))}
    length_model = LogisticRegression(max_iter=1000).fit(length_features(lengths["train"]), train_truth["label"])
    summary: dict[str, Any] = {"seed": seed, "parameters": config.model_dump()}
    for split, battles, truth in (("train", train, train_truth), ("test", test, test_truth)):
        labels, prompts = truth["label"].to_numpy(), battles["prompt"].map(json.loads).tolist()
        by_length = length_model.predict_proba(length_features(lengths[split]))
        summary[split] = {
            "battles": len(battles),
            "bayes_optimal_log_loss": round(log_loss(labels, truth[list(LABEL_COLUMNS)], labels=[0, 1, 2]), 5),
            "length_baseline_log_loss": round(log_loss(labels, by_length, labels=[0, 1, 2]), 5),
            "target_statistics": compare_with_targets(prompts, lengths[split], labels),
        }
        optimal, baseline = (summary[split][f"{name}_log_loss"] for name in ("bayes_optimal", "length_baseline"))
        logger.info(
            "%s: %d battles, Bayes-optimal log loss %.4f, length baseline %.4f", split, len(battles), optimal, baseline
        )
    return summary


def _simulate(count: int, config: SimulationConfig, seed: int, split: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    for_samples, for_edge_cases, for_labels, for_ids = (np.random.default_rng([seed, split, use]) for use in range(4))
    samples = add_edge_cases(sample_battles(count, config, for_samples), for_edge_cases)
    truth = _compute_truth(samples, config)
    labels = draw_labels(truth, for_labels)
    first_index: dict[int, int] = {}
    # An exact duplicate repeats the label as well.
    labels = labels[[first_index.setdefault(id(sample), index) for index, sample in enumerate(samples)]]
    # Even IDs in train and odd ones in test, so that no battle of one can be mistaken for one of the other.
    edges = np.linspace(0, _MAX_ID // 2, count + 1).astype(np.int64)
    ids = 2 * for_ids.integers(edges[:-1], edges[1:]) + split
    probabilities = dict(zip(LABEL_COLUMNS, truth.round(_DECIMALS).T, strict=True))
    return _tabulate(samples, ids, labels), pd.DataFrame({ID: ids, **probabilities, "label": labels})


def _compute_truth(samples: list[Sample], config: SimulationConfig) -> FloatArray:
    traits = np.array([[np.mean(side, axis=0) for side in sample.traits] for sample in samples])
    strengths = np.array([[model.strength for model in sample.models] for sample in samples])
    styles = np.array(
        [[count_style("\n".join(turn or "" for turn in side)) for side in sample.responses] for sample in samples],
        dtype=float,
    )
    return compute_label_probabilities(compute_quality(traits, strengths, config), styles, config)


def _tabulate(samples: list[Sample], ids: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    rows = [
        (*(model.name for model in sample.models), *map(json.dumps, (sample.prompt, *sample.responses)))
        for sample in samples
    ]
    battles = pd.DataFrame(rows, columns=[*MODEL_COLUMNS, *TEXT_COLUMNS])
    battles.insert(0, ID, ids)
    battles[list(LABEL_COLUMNS)] = np.eye(3, dtype=np.int64)[labels]
    return battles


def _measure_lengths(battles: pd.DataFrame) -> FloatArray:
    columns = [[count_characters(json.loads(cell)) for cell in battles[name]] for name in TEXT_COLUMNS[1:]]
    return np.array(columns, dtype=float).T
