"""Overlaps between the fields of a battle: words, n-grams or lines that they share."""

from typing import Final

import numpy as np
import numpy.typing as npt

from arena_preference.battles import FloatArray

from .contrasts import Columns
from .texts import FIELDS, SIDES, IntArray

# A key is one integer, so that sorting keys brings equal items of a battle together: the row of the battle, the
# leading bits of the item's hash, which only need to distinguish the items of one battle, and one bit per field.
_BATTLE_BITS: Final = 16
_FIELD_BITS: Final = len(FIELDS)
_HASH_BITS: Final = 64 - _BATTLE_BITS - _FIELD_BITS
#: The most battles that can be measured at a time.
MAX_CHUNK_ROWS: Final = 1 << _BATTLE_BITS


def count_overlaps(hashes: npt.NDArray[np.uint64], sizes: IntArray, rows: IntArray, kind: str) -> Columns:
    """Count the distinct items of each field and those that fields of a battle share.

    Args:
        hashes: One per occurrence of an item in a text, text after text.
        sizes: The number of occurrences in each text.
        rows: The texts of the battles' ``FIELDS``, shape (battles, 3).
        kind: Name of the items in the plural.

    Returns:
        Columns unique_<kind>_<field>, <kind>_with_prompt_<side>, <kind>_shared (by a and b) and <kind>_in_all.
    """
    n_battles = len(rows)
    of_fields = rows.ravel()
    n_items = sizes[of_fields]
    # Where the items of each field start in ``hashes``, less where they start in ``keys``.
    shifts = (sizes.cumsum() - sizes)[of_fields] - (n_items.cumsum() - n_items)
    keys = hashes[np.arange(n_items.sum()) + np.repeat(shifts, n_items)]
    keys >>= np.uint64(64 - _HASH_BITS)
    keys <<= np.uint64(_FIELD_BITS)
    battles = np.arange(n_battles, dtype=np.uint64) << (_HASH_BITS + _FIELD_BITS)
    fields = np.array([1 << index for index in range(len(FIELDS))], dtype=np.uint64)
    keys |= np.repeat(np.bitwise_or.outer(battles, fields).ravel(), n_items)
    # In place, and several times as fast as np.unique or a group-by of Polars.
    keys.sort()
    starts = np.flatnonzero(np.diff(keys >> _FIELD_BITS, prepend=~keys[:1]))
    fields_of_item = np.bitwise_or.reduceat(keys & ((1 << _FIELD_BITS) - 1), starts)
    battle_of_item = keys[starts] >> (_HASH_BITS + _FIELD_BITS)
    # By battle and set of fields.
    sets = np.bincount((battle_of_item << _FIELD_BITS | fields_of_item).astype(np.int64), minlength=n_battles << 3)
    sets = sets.reshape(n_battles, 1 << _FIELD_BITS).astype(np.float64)

    def count_shared_by(*fields: str) -> FloatArray:
        wanted = sum(1 << FIELDS.index(field) for field in fields)
        return sets[:, [index for index in range(1 << _FIELD_BITS) if index & wanted == wanted]].sum(axis=1)

    return {
        **{f"unique_{kind}_{field}": count_shared_by(field) for field in FIELDS},
        **{f"{kind}_with_prompt_{side}": count_shared_by("prompt", side) for side in SIDES},
        f"{kind}_shared": count_shared_by("a", "b"),
        f"{kind}_in_all": count_shared_by("prompt", "a", "b"),
    }
