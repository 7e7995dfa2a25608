"""Overlaps between the fields of a battle: words, n-grams or lines that they share."""

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from .texts import FIELDS, SIDES

# A key is one integer, so that sorting keys brings equal items of a battle together: the row of the battle, the
# leading bits of the item's hash, which only need to distinguish the items of one battle, and one bit per field.
_BATTLE_BITS: Final = 16
_FIELD_BITS: Final = len(FIELDS)
_HASH_BITS: Final = 64 - _BATTLE_BITS - _FIELD_BITS
#: The most battles that can be measured at a time.
MAX_CHUNK_ROWS: Final = 1 << _BATTLE_BITS


def count_overlaps(items: pl.DataFrame, kind: str, n_battles: int) -> pl.DataFrame:
    """Count the distinct items of each field and those that fields of a battle share.

    Args:
        items: One row per occurrence of an item: field (3 * row of the battle + index in ``FIELDS``) and hash.
        kind: Name of the items in the plural.
        n_battles: Number of rows to return.

    Returns:
        Columns unique_<kind>_<field>, <kind>_with_prompt_<side>, <kind>_shared (by a and b) and <kind>_in_all.
    """
    battle, field = np.divmod(items["field"].to_numpy().astype(np.uint64), len(FIELDS))
    keys = battle << (_HASH_BITS + _FIELD_BITS)
    keys |= items["hash"].to_numpy() >> (64 - _HASH_BITS) << _FIELD_BITS
    keys |= np.uint64(1) << field
    # In place, and several times as fast as np.unique or a group-by of Polars.
    keys.sort()
    starts = np.flatnonzero(np.diff(keys >> _FIELD_BITS, prepend=~keys[:1]))
    fields_of_item = np.bitwise_or.reduceat(keys & ((1 << _FIELD_BITS) - 1), starts)
    battle_of_item = (keys[starts] >> (_HASH_BITS + _FIELD_BITS)).astype(np.int64)

    def count_shared_by(*fields: str) -> npt.NDArray[np.int64]:
        wanted = sum(1 << FIELDS.index(field) for field in fields)
        return np.bincount(battle_of_item[fields_of_item & wanted == wanted], minlength=n_battles)

    return pl.DataFrame(
        {
            **{f"unique_{kind}_{field}": count_shared_by(field) for field in FIELDS},
            **{f"{kind}_with_prompt_{side}": count_shared_by("prompt", side) for side in SIDES},
            f"{kind}_shared": count_shared_by("a", "b"),
            f"{kind}_in_all": count_shared_by("prompt", "a", "b"),
        }
    )
