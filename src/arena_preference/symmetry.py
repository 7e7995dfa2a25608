"""Effect of swapping the two responses on features, labels, probabilities and battles."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa

from arena_preference.battles import ID, ID_COLUMN, LABEL_COLUMNS, PREFERS_A, PREFERS_B, SOFT_LABEL, TIE, FloatArray

# A feature is named <quantity>__<form>; the form says whether swapping the responses negates it.
FORM_SEPARATOR: Final = "__"
ANTISYMMETRIC_FORMS: Final = frozenset({"diff", "reldiff"})
SYMMETRIC_FORMS: Final = frozenset({"sum", "pair", "prompt"})


def is_antisymmetric(feature: str) -> bool:
    """True if swapping the responses negates the feature, False if it leaves the feature unchanged.

    Raises:
        ValueError: If the name does not end in a known form.
    """
    quantity, _, form = feature.rpartition(FORM_SEPARATOR)
    if quantity and form in ANTISYMMETRIC_FORMS:
        return True
    if quantity and form in SYMMETRIC_FORMS:
        return False
    raise ValueError(
        f"The name of feature '{feature}' does not end in {FORM_SEPARATOR}<form>, with one of the forms "
        f"{sorted(ANTISYMMETRIC_FORMS | SYMMETRIC_FORMS)}, which say whether swapping the responses negates it."
    )


def swap_features(features: pd.DataFrame) -> pd.DataFrame:
    """Features of the same battles with their responses swapped.

    Antisymmetric columns are negated, symmetric ones stay. The result is exact, without reading the texts again.
    """
    return features * list_swap_signs(features.columns)


def list_swap_signs(features: Iterable[str]) -> npt.NDArray[np.float32]:
    """Factors by which swapping the responses multiplies the features of these names."""
    return np.array([-1.0 if is_antisymmetric(name) else 1.0 for name in features], dtype=np.float32)


def swap_labels(labels: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.integer[Any]]:
    """Labels with A and B exchanged; a tie stays a tie. Shape (n,), values 0, 1, 2."""
    return np.array([PREFERS_B, PREFERS_A, TIE], dtype=labels.dtype)[labels]


def swap_probabilities(probabilities: FloatArray) -> FloatArray:
    """Probabilities, logits or targets with the columns of A and B exchanged; shape (n, 3)."""
    return probabilities[:, [PREFERS_B, PREFERS_A, TIE]]


def swap_battles(battles: pd.DataFrame) -> pd.DataFrame:
    """The same battles with responses, model names and label swapped."""
    soft = [f"{SOFT_LABEL}{LABEL_COLUMNS[label]}" for label in (PREFERS_A, PREFERS_B)]
    pairs = [("response_a", "response_b"), ("model_a", "model_b"), tuple(soft)]
    exchanged = {one: other for a, b in pairs for one, other in ((a, b), (b, a))}
    swapped = battles.rename(columns=exchanged)[list(battles.columns)]
    if "label" in swapped:
        swapped["label"] = swap_labels(swapped["label"].to_numpy())
    return swapped


def _features_end_in_a_form(table: pd.DataFrame) -> bool:
    for name in table.columns.drop(ID, errors="ignore"):
        is_antisymmetric(str(name))
    return True


#: Float32 features named <quantity>__<form>, one row per battle; only the id if their source is switched off.
Features: Final = pa.DataFrameSchema(
    {ID: ID_COLUMN, rf".+{FORM_SEPARATOR}.+": pa.Column("float32", nullable=True, regex=True, required=False)},
    checks=pa.Check(_features_end_in_a_form),
    strict=True,
    name="Features",
)
