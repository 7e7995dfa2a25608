"""UltraFeedback, binarized: preference pairs with the scores that an AI judge gave to both responses."""

from collections.abc import Iterator, Set
from typing import Final

from arena_preference.battles import ID

from .cells import read_id, read_number
from .format import Battle, Format, Row, UnusableRowError
from .preference import PAIR_COLUMNS, read_pair
from .sides import label_pair


def _matches(columns: Set[str], head: list[Row]) -> bool:
    return columns >= {"chosen", "rejected", "score_chosen", "score_rejected"}


def _parse(row: Row) -> Iterator[Battle]:
    prompt, chosen, rejected = read_pair(row)
    better, worse = read_number(row, "score_chosen"), read_number(row, "score_rejected")
    if better is None or worse is None:
        raise UnusableRowError("a score is missing")
    if better < worse:
        raise UnusableRowError(f"score_chosen is below score_rejected: {better:g} and {worse:g}")
    yield {ID: read_id(row), "prompt": prompt, **label_pair(chosen, rejected, is_tie=better == worse)}


ULTRAFEEDBACK: Final = Format("ultrafeedback", _matches, _parse, voters="AI", draws_sides=True, columns=PAIR_COLUMNS)
