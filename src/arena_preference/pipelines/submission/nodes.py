"""Nodes of the pipeline ``submission``."""

import logging

import numpy as np
import pandas as pd

from arena_preference.battles import ID, LABEL_COLUMNS, align_rows

logger = logging.getLogger(__name__)


def make_submission(predictions: pd.DataFrame, battles: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Put the predictions of the test battles into the competition's format.

    A warning counts ids that training battles have as well.

    Returns:
        Columns id, winner_model_a, winner_model_b, winner_tie; the ids as the test file has them, in its order.

    Raises:
        ValueError: If the predictions are not those of the battles, or a row is not a distribution.
    """
    expected = battles.sort_values(["source", "row"])[ID]
    ordered = align_rows(predictions, expected, "test_predictions")
    # With several training files, ids stand behind the file's name.
    trained = [name.removeprefix(f"{source}/") for name, source in zip(labels[ID], labels["source"], strict=True)]
    shared = np.intersect1d(expected, trained)
    if len(shared):
        logger.warning(
            "%d of the %d ids of the test file are also ids of training battles, the first: %s. If they are the same "
            "battles, the model has seen their labels, and its predictions for them look better than it is.",
            *(len(shared), len(expected), shared[0]),
        )
    probabilities = ordered[list(LABEL_COLUMNS)].to_numpy()
    whole = np.isfinite(probabilities).all(axis=1) & (np.abs(probabilities.sum(axis=1) - 1) <= 1e-6)
    if not whole.all():
        raise ValueError(
            f"{(~whole).sum()} rows are not probability distributions, the first for id {ordered[ID][~whole].iloc[0]}. "
            "Fit the model again: run the pipeline modelling."
        )
    return ordered[[ID, *LABEL_COLUMNS]]
