"""Nodes of the pipeline ``submission``."""

import logging

import numpy as np
import pandas as pd

from arena_preference.battles import ID, LABEL_COLUMNS, align_rows

logger = logging.getLogger(__name__)


def make_submission(predictions: pd.DataFrame, battles: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Put the predictions of the test battles into the competition's format.

    A warning counts ids that training battles of the same prompt have as well.

    Returns:
        Columns id, winner_model_a, winner_model_b, winner_tie; the ids as the test file has them, in its order.

    Raises:
        ValueError: If the predictions are not those of the battles, or a row is not a distribution.
    """
    battles = battles.sort_values(["source", "row"])
    ordered = align_rows(predictions, battles[ID], "test_predictions")
    # Of several training files, each id stands behind its file's name.
    own_ids = [name.removeprefix(f"{source}/") for name, source in zip(labels[ID], labels["source"], strict=True)]
    keys = [ID, "prompt_group"]
    shared = battles[keys].merge(labels.assign(**{ID: own_ids})[keys].drop_duplicates())
    if len(shared):
        logger.warning(
            "%d of the %d ids of the test file are also ids of training battles with the same prompt, the first: %s. "
            "If they are the same battles, the model has seen their labels, and its predictions for them look better "
            "than it is.",
            *(len(shared), len(battles), shared[ID][0]),
        )
    probabilities = ordered[list(LABEL_COLUMNS)].to_numpy()
    whole = np.isfinite(probabilities).all(axis=1) & (np.abs(probabilities.sum(axis=1) - 1) <= 1e-6)
    if not whole.all():
        raise ValueError(
            f"{(~whole).sum()} rows are not probability distributions, the first for id {ordered[ID][~whole].iloc[0]}. "
            "Fit the model again: run the pipeline modelling."
        )
    return ordered[[ID, *LABEL_COLUMNS]]
