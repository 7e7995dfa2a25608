"""Nodes of the pipeline ``evaluation``."""

import logging
from typing import Any

import numpy as np
import pandas as pd

from arena_preference.battles import ID, LABEL_COLUMNS
from arena_preference.metrics import compute_losses, estimate_intervals, select_probabilities

logger = logging.getLogger(__name__)


def evaluate_submission(
    submission: pd.DataFrame, battles: pd.DataFrame, labels: pd.DataFrame, n_resamples: int, seed: int
) -> dict[str, Any]:
    """Metrics of a submission on the battles whose labels are known, with 95 % intervals.

    ``labels`` has the text columns id and the three winners, as in the competition's train.csv, of some of the battles.

    Returns:
        ``log_loss`` and ``accuracy``, each ``{value, low, high}``, and ``battles``.

    Raises:
        ValueError: If no id is in both, or a row does not have exactly one winner.
    """
    winners = labels[list(LABEL_COLUMNS)].apply(pd.to_numeric, errors="coerce").to_numpy()
    invalid = ~(np.isin(winners, (0, 1)).all(axis=1) & (winners.sum(axis=1) == 1))
    if invalid.any():
        raise ValueError(
            f"test_labels.csv has {invalid.sum()} rows in which not exactly one of the three winners is 1, the first "
            f"with id {labels[ID][invalid].iloc[0]}. Correct or remove them."
        )
    known = pd.DataFrame({ID: labels[ID].astype("int64"), "label": winners.argmax(axis=1)})
    scored = submission.merge(battles[[ID, "prompt_group"]], on=ID, validate="one_to_one")
    scored = scored.merge(known, on=ID, validate="one_to_one")
    if scored.empty:
        raise ValueError(
            "No id of the submission is in test_labels.csv. Use the labels that belong to test.csv, or run the "
            "pipeline submission on the test.csv that belongs to the labels."
        )
    probabilities, label = select_probabilities(scored), scored["label"].to_numpy()
    values = {
        "log_loss": compute_losses(probabilities, label),
        "accuracy": (probabilities.argmax(axis=1) == label).astype(float),
    }
    metrics = estimate_intervals(values, scored["prompt_group"], n_resamples, seed)
    for name, interval in metrics.items():
        logger.info("%s of the submission %.4f [%.4f, %.4f]", name, *interval.values())
    return {**metrics, "battles": len(scored)}
