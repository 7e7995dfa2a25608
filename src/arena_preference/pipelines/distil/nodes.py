"""Nodes of the pipeline ``distil``."""

import logging

import pandas as pd

from arena_preference.battles import ID, LABEL_COLUMNS, TEXT_COLUMNS, align_rows

logger = logging.getLogger(__name__)


def write_soft_labels(battles: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """The battles, with the predictions of the model, the teacher, as soft labels in the plain format.

    The teacher has learned from all votes of its run. A student that learns from these labels and from the same votes
    has seen, through the teacher, something of every vote that its folds hold out.

    Returns:
        Columns id, prompt, response_a, response_b, winner_model_a, winner_model_b, winner_tie.

    Raises:
        ValueError: If the predictions are of other battles.
    """
    probabilities = align_rows(predictions, battles[ID], "test_predictions")[list(LABEL_COLUMNS)]
    logger.warning(
        "%d soft labels by a teacher that has learned from the votes of its run. If a student learns from those votes "
        "too, its out-of-fold scores are too good: compare it with the teacher on battles whose votes neither has "
        "seen, with the pipeline evaluation.",
        len(battles),
    )
    return battles[[ID, *TEXT_COLUMNS]].reset_index(drop=True).join(probabilities)
