"""RewardBench 1 and 2: evaluation sets of chosen and rejected responses, in the second version several of each."""

from collections.abc import Iterator, Set
from itertools import product
from typing import Final

from arena_preference.battles import ID

from .cells import read_id, read_optional, read_text, read_text_or_turns
from .format import Battle, Format, Row, UnusableRowError
from .preference import PAIR_COLUMNS
from .sides import label_pair


def _matches(columns: Set[str], head: list[Row]) -> bool:
    return columns >= {ID, "prompt", "chosen", "rejected", "subset"}


def _parse(row: Row) -> Iterator[Battle]:
    prompt = read_text_or_turns(row, "prompt")
    # In both versions each response is one turn; a list has several responses.
    chosen, rejected = read_text_or_turns(row, "chosen"), read_text_or_turns(row, "rejected")
    if not (chosen and rejected) or None in [*chosen, *rejected]:
        raise UnusableRowError("chosen or rejected is an empty list or has a null")
    for better, worse in product(chosen, rejected):
        yield {
            ID: _read_id(row),
            "prompt": prompt,
            **label_pair([better], [worse]),
            **read_optional(row, model_a="chosen_model", model_b="rejected_model", category="subset"),
        }


def _read_id(row: Row) -> str | None:
    """Id behind the subset: the same number may be in several subsets."""
    number, subset = read_id(row), read_text(row, "subset")
    return number if number is None or subset is None else f"{subset}/{number}"


REWARDBENCH: Final = Format("rewardbench", _matches, _parse, is_benchmark=True, draws_sides=True, columns=PAIR_COLUMNS)
