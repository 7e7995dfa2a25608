"""Nodes of the pipeline ``evaluation``."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from arena_preference.battles import ID
from arena_preference.datasets import RawTable
from arena_preference.formats import UnusableRowError
from arena_preference.formats.cells import read_id, read_label
from arena_preference.metrics import compute_losses, estimate_intervals, select_probabilities
from arena_preference.targets import SOFT_LABELS, read_targets

logger = logging.getLogger(__name__)


def evaluate_submission(
    submission: pd.DataFrame, battles: pd.DataFrame, raw_labels: Sequence[RawTable], n_resamples: int, seed: int
) -> dict[str, Any]:
    """Metrics of a submission on the battles whose labels are known, with 95 % intervals.

    ``raw_labels`` has an id in each row, and the three winners, as in the competition's train.csv, or ``winner``.

    Returns:
        ``log_loss`` and ``accuracy``, each ``{value, low, high}``, and ``battles``.

    Raises:
        ValueError: If no id is in both, one is missing or occurs twice, or a row has no valid label.
    """
    known = _read_labels(raw_labels)
    scored = submission.merge(battles[[ID, "prompt_group"]], on=ID, validate="one_to_one")
    scored = scored.merge(known, on=ID, validate="one_to_one")
    if scored.empty:
        raise ValueError(
            f"No id of the submission is in {raw_labels[0].path}. Use the labels that belong to the test file, or run "
            "the pipeline submission on the test file that belongs to the labels."
        )
    if len(scored) < max(len(submission), len(known)):
        logger.warning(
            "%d battles are scored: the submission has %d, and %d labels are known.",
            *(len(scored), len(submission), len(known)),
        )
    probabilities, label, targets = select_probabilities(scored), scored["label"].to_numpy(), read_targets(scored)
    if impossible := int(((targets > 0) & (probabilities == 0)).any(axis=1).sum()):
        logger.warning(
            "%d battles have a label whose probability is 0, which costs 708 nats each. If they are ties, which the "
            "training battles had none of, set modelling.tie_prior and run the pipeline modelling again.",
            impossible,
        )
    values = {
        "log_loss": compute_losses(probabilities, targets),
        "accuracy": (probabilities.argmax(axis=1) == label).astype(float),
    }
    metrics = estimate_intervals(values, scored["prompt_group"], n_resamples, seed)
    for name, interval in metrics.items():
        logger.info("%s of the submission %.4f [%.4f, %.4f]", name, *interval.values())
    return {**metrics, "battles": len(scored)}


def _read_labels(tables: Sequence[RawTable]) -> pd.DataFrame:
    rows = []
    for table in tables:
        for number, row in enumerate(table.rows, start=1):
            try:
                name, label = read_id(row), read_label(row)
                if name is None or label is None:
                    raise UnusableRowError(f"{'id' if name is None else 'the label'} is missing")
            except UnusableRowError as reason:
                raise ValueError(
                    f"Row {number} of {table.path} cannot be used: {reason}. Correct or remove it."
                ) from None
            rows.append((name, int(np.argmax(label)), *label))
    known = pd.DataFrame(rows, columns=[ID, "label", *SOFT_LABELS])
    if repeated := known.loc[known[ID].duplicated(), ID].unique().tolist():
        raise ValueError(
            f"{len(repeated)} ids occur more than once in {tables[0].path}, the first: {', '.join(repeated[:5])}. Keep "
            "one row of each."
        )
    return known
