"""Nodes of the pipeline ``evaluation``."""

import logging
from typing import Any, Final

import numpy as np
import pandas as pd

from arena_preference.battles import ID, LABEL_COLUMNS
from arena_preference.metrics import as_interval, compute_losses, estimate_means, select_probabilities

logger = logging.getLogger(__name__)

_DRAWS: Final = 1000


def evaluate_submission(
    submission: pd.DataFrame, battles: pd.DataFrame, labels: pd.DataFrame, seed: int
) -> dict[str, Any]:
    """Score a submission on the battles whose verdicts are known, with 95 % intervals from a bootstrap over prompts.

    Args:
        submission: Schema ``Predictions``.
        battles: The battles that were predicted, schema ``Battles``.
        labels: Text columns id and the three winners, as in the competition's train.csv; some battles may lack.
        seed: The project's seed.

    Returns:
        ``log_loss`` and ``accuracy``, each ``{value, low, high}``, and ``battles``.

    Raises:
        ValueError: If no id is in both, or a verdict is not one of the three.
    """
    verdicts = labels[list(LABEL_COLUMNS)].apply(pd.to_numeric, errors="coerce").to_numpy()
    if not (np.isin(verdicts, (0, 1)).all() and (verdicts.sum(axis=1) == 1).all()):
        raise ValueError("test_labels.csv has rows in which not exactly one of the three winners is 1. Mend the file.")
    known = pd.DataFrame({ID: labels[ID].astype("int64"), "label": verdicts.argmax(axis=1)})
    scored = submission.merge(battles[[ID, "prompt_group"]], on=ID, validate="one_to_one")
    scored = scored.merge(known, on=ID, validate="one_to_one")
    if scored.empty:
        raise ValueError("No id of the submission is in test_labels.csv. Are they of the same test.csv?")
    probabilities, label = select_probabilities(scored), scored["label"].to_numpy()
    values = np.column_stack(
        [compute_losses(probabilities, label), (probabilities.argmax(axis=1) == label).astype(float)]
    )
    table = estimate_means(values, scored["prompt_group"], _DRAWS, seed)
    scores = {name: as_interval(row) for name, (_, row) in zip(("log_loss", "accuracy"), table.iterrows(), strict=True)}
    for name, figure in scores.items():
        logger.info("%s of the submission %.4f [%.4f, %.4f]", name, *figure.values())
    return {**scores, "battles": len(scored)}
