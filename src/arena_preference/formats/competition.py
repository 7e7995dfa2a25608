"""The competition's format: the cells of the texts are lists written as JSON, one text or null per turn."""

from collections.abc import Iterator, Set
from typing import Final

from arena_preference.battles import ID, TEXT_COLUMNS

from .cells import MISSING, Turns, parse_turns, read_id, read_label, read_optional
from .format import Battle, Format, Row, UnusableRowError


def _matches(columns: Set[str], head: list[Row]) -> bool:
    cells = [row.get(column) for row in head for column in TEXT_COLUMNS]
    are_lists = [isinstance(cell, str) and cell.lstrip().startswith("[") for cell in cells]
    return columns >= set(TEXT_COLUMNS) and 2 * sum(are_lists) > len(are_lists)


def _parse(row: Row) -> Iterator[Battle]:
    yield {
        ID: read_id(row),
        **{column: _read_turns(row, column) for column in TEXT_COLUMNS},
        "label": read_label(row),
        **read_optional(row, model_a="model_a", model_b="model_b", language="language"),
    }


def _read_turns(row: Row, column: str) -> Turns:
    cell = row.get(column)
    if cell is None or (isinstance(cell, str) and cell.strip().lower() in MISSING):
        raise UnusableRowError(f"{column} is missing")
    try:
        return parse_turns(str(cell))
    except UnusableRowError as reason:
        raise UnusableRowError(f"{column} is {reason}") from None


COMPETITION: Final = Format("competition", _matches, _parse)
