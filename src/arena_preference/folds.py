"""The folds of the training battles: drawn from battles, parameter and seed alone, so that every room has the same."""

from itertools import combinations

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from arena_preference.battles import ID, LABEL_COLUMNS, N_CLASSES


def assign_folds(battles: pd.DataFrame, number_of_folds: int, seed: int) -> pd.DataFrame:
    """Draw stratified folds that never split a prompt group.

    Args:
        battles: Training battles, schema ``Battles`` with label.
        number_of_folds: Parameter ``modelling.folds``.
        seed: The project's seed.

    Returns:
        Schema ``Folds``, one row per battle in the order of ``battles``.

    Raises:
        ValueError: If there are fewer prompt groups than folds, a class has fewer battles than there are folds, or
            all of a class lies in two folds.
    """
    groups, labels = battles["prompt_group"], battles["label"].to_numpy()
    if groups.nunique() < number_of_folds:
        raise ValueError(
            f"{groups.nunique()} prompt groups are too few for {number_of_folds} folds, because a fold takes whole "
            "groups. Add battles or lower modelling.folds."
        )
    counts = np.bincount(labels, minlength=N_CLASSES)
    if counts.min() < number_of_folds:
        rarest = LABEL_COLUMNS[int(counts.argmin())]
        raise ValueError(
            f"Only {counts.min()} training battles have the label {rarest}; each of the {number_of_folds} folds needs "
            "at least one. Add battles or lower modelling.folds."
        )
    splitter = StratifiedGroupKFold(number_of_folds, shuffle=True, random_state=seed)
    fold = np.empty(len(battles), dtype=np.int8)
    for number, (_, held_out) in enumerate(splitter.split(battles, labels, groups)):
        fold[held_out] = number
    # Word models are fitted on the battles outside of two folds.
    for pair in combinations(range(number_of_folds), 2):
        absent = np.setdiff1d(range(N_CLASSES), labels[~np.isin(fold, pair)])
        if len(absent):
            raise ValueError(
                f"All battles with the label {LABEL_COLUMNS[absent[0]]} are in folds {pair[0]} and {pair[1]}, because "
                "they share prompt groups, so a model that is fitted outside of them could not learn it. Add battles "
                "or change seed."
            )
    return pd.DataFrame({ID: battles[ID], "fold": fold})
