"""Features ``<quantity>__<form>`` from the values of both sides, exact under a swap of the sides."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import pandas as pd

from arena_preference.battles import ID, FloatArray
from arena_preference.symmetry import FORM_SEPARATOR

Columns = dict[str, FloatArray]


def _normalised_difference(a: FloatArray, b: FloatArray) -> FloatArray:
    total = a + b
    return np.divide(a - b, total, out=np.zeros_like(total), where=total > 0)


# Each is exact in floating point: exchanging a and b returns the same number, or the same number negated.
_FORMS: Final[Mapping[str, Callable[[FloatArray, FloatArray], FloatArray]]] = {
    "diff": np.subtract,
    "reldiff": _normalised_difference,
    "sum": np.add,
}


def contrast_sides(quantity: str, a: FloatArray, b: FloatArray, *forms: str) -> Columns:
    """Return features of a quantity: ``diff`` a - b, ``reldiff`` (a - b) / (a + b) with 0 / 0 = 0, ``sum`` a + b."""
    return {name_feature(quantity, form): _FORMS[form](a, b) for form in forms}


def name_feature(quantity: str, form: str) -> str:
    """Return ``<quantity>__<form>``."""
    return f"{quantity}{FORM_SEPARATOR}{form}"


def tabulate(battles: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Return a table of schema ``Features``: id and float32 columns."""
    # One array: pandas takes long to check hundreds of columns.
    values = np.array(list(columns.values()), dtype=np.float32)
    table = pd.DataFrame(values.T, columns=list(columns))
    table.insert(0, ID, battles[ID].to_numpy())
    return table
