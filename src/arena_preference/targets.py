"""Targets: what models learn from, the probabilities of each battle's label and its weight.

A plain vote has the probabilities 1, 0 and 0; a soft label, such as that of several voters or of a teacher, any others.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from arena_preference.battles import LABEL_COLUMNS, SOFT_LABEL, FloatArray

IntArray = npt.NDArray[np.integer[Any]]

#: Columns with the probabilities of a label.
SOFT_LABELS: Final = [f"{SOFT_LABEL}{name}" for name in LABEL_COLUMNS]


def read_targets(labels: pd.DataFrame) -> FloatArray:
    """Return the probabilities of the labels, shape (n, 3), from a table with the columns of ``Labels``."""
    return labels[SOFT_LABELS].to_numpy(dtype=float)


def read_votes(labels: pd.DataFrame) -> FloatArray:
    """Return the probabilities of the labels times the weight of each battle, shape (n, 3)."""
    return read_targets(labels) * labels[["weight"]].to_numpy(dtype=float)


def are_plain(votes: FloatArray) -> bool:
    """True if every battle has one vote of weight 1."""
    return bool((votes.max(axis=1) == 1).all() and (votes.sum(axis=1) == 1).all())


def list_examples(votes: FloatArray) -> tuple[IntArray, IntArray, FloatArray | None]:
    """Return row, class and weight of what a classifier is fitted on: a battle is there once per class with votes.

    Plain votes are the rows themselves, in their order. The weights are None if all are 1.
    """
    rows, classes = np.nonzero(votes)
    weights = votes[rows, classes]
    return rows, classes, None if (weights == 1).all() else weights
