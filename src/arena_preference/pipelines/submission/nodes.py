"""Nodes of the pipeline ``submission``."""

import logging

import numpy as np
import pandas as pd

from arena_preference.battles import ID, LABEL_COLUMNS

logger = logging.getLogger(__name__)


def make_submission(predictions: pd.DataFrame, raw_ids: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Check the predictions against the raw test file and put them into the competition's format.

    ``raw_ids`` is the column id of the test file, as text. A warning counts ids that training battles have as well.

    Returns:
        Columns id, winner_model_a, winner_model_b, winner_tie; the ids of the file in its order.

    Raises:
        ValueError: If the ids are not exactly those of the file, or a row is not a distribution.
    """
    expected = np.array([int(cell) for cell in raw_ids[ID]], dtype=np.int64)
    if not np.array_equal(np.sort(predictions[ID]), np.sort(expected)):
        lost = np.setdiff1d(expected, predictions[ID])
        raise ValueError(
            f"The predictions are not those of the test file: {len(predictions)} rows for {len(expected)} ids, "
            f"{len(lost)} of them without a prediction. Was test.csv changed during the run? Run the submission again."
        )
    shared = np.intersect1d(expected, labels[ID])
    if len(shared):
        logger.warning(
            "%d of the %d ids of the test file are also ids of training battles, the first: %d. If they are the same "
            "battles, the model has seen their labels, and its predictions for them look better than it is.",
            *(len(shared), len(expected), shared[0]),
        )
    ordered = predictions.set_index(ID).loc[expected].reset_index()
    probabilities = ordered[list(LABEL_COLUMNS)].to_numpy()
    whole = np.isfinite(probabilities).all(axis=1) & (np.abs(probabilities.sum(axis=1) - 1) <= 1e-6)
    if not whole.all():
        raise ValueError(
            f"{(~whole).sum()} rows are not probability distributions, the first for id {expected[~whole][0]}. "
            "Fit the model again: run the pipeline modelling."
        )
    return ordered[[ID, *LABEL_COLUMNS]]
