"""Counts of single characters by class: one pass over a text with a table, instead of one search per class."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from .patterns import CHARACTERS, SCRIPTS

_CLASSES: Final[Mapping[str, str]] = {
    **CHARACTERS,
    **{f"script_{name}": pattern for name, pattern in SCRIPTS.items()},
}
# Code points of later planes are in the same classes as the last one of these: Unicode has no letters there.
_N_POINTS: Final = 0x40000


def count_characters(texts: Sequence[str]) -> dict[str, npt.NDArray[np.int64]]:
    """Count the characters of each text that are in each of ``CHARACTERS`` and in each script."""
    kinds, classes = _classify_characters()
    counts = np.zeros((len(texts), len(classes)), dtype=np.int64)
    for row, text in enumerate(texts):
        points = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
        counts[row] = np.bincount(kinds[np.minimum(points, _N_POINTS - 1)], minlength=len(classes))
    return dict(zip(_CLASSES, (counts @ classes).T, strict=True))


@cache
def _classify_characters() -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """Return the kind of each code point, and whether a kind is in each class, shape (kinds, classes)."""
    points = np.arange(_N_POINTS, dtype="<u4")
    # Surrogates, which no text has.
    points[0xD800:0xE000] = 0
    characters = pl.DataFrame({"text": list(points.tobytes().decode("utf-32-le"))})
    is_in = characters.select(pl.col("text").str.contains(of_class).alias(name) for name, of_class in _CLASSES.items())
    combined = is_in.to_numpy() @ (1 << np.arange(len(_CLASSES)))
    _, first, kinds = np.unique(combined, return_index=True, return_inverse=True)
    return kinds.astype(np.uint8), is_in[first].to_numpy().astype(np.int64)
