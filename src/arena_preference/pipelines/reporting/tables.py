"""How the tables that the report reads are matched and read."""

import numpy as np
import pandas as pd

from arena_preference.battles import ID, LABEL_COLUMNS, N_CLASSES, PREFERS_A, PREFERS_B, TIE, FloatArray

_FIRST = f"_{LABEL_COLUMNS[0]}"


def match_rows(table: pd.DataFrame, ids: pd.Series, name: str) -> pd.DataFrame:
    """Bring the rows of a table into the order of some ids.

    Raises:
        ValueError: If an id has no row.
    """
    missing = ~ids.isin(table[ID])
    if missing.any():
        raise ValueError(
            f"{missing.sum()} of {len(ids)} battles have no row in {name}, so it comes from another run than the "
            "predictions. Run modelling and reporting again, or name the versions of one run with --load-versions."
        )
    return table.set_index(ID).loc[ids].reset_index()


def list_first_level_models(base_model_predictions: pd.DataFrame) -> list[str]:
    """Name the first-level models, in the order of their columns."""
    return [name.removesuffix(_FIRST) for name in base_model_predictions.columns if name.endswith(_FIRST)]


def compute_wins(probabilities: FloatArray) -> FloatArray:
    """Expected win of A over B, a tie counting as half, shape (n,)."""
    return probabilities[:, PREFERS_A] + probabilities[:, TIE] / 2


def compute_leads(probabilities: FloatArray) -> FloatArray:
    """Probability of A minus that of B, shape (n,)."""
    return probabilities[:, PREFERS_A] - probabilities[:, PREFERS_B]


def encode_labels(labels: pd.Series) -> FloatArray:
    """Give each verdict as a distribution, all on the class that the person chose, shape (n, 3)."""
    return np.eye(N_CLASSES)[labels.to_numpy()]
