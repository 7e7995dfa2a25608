"""Two conversations in OpenAI's format, as in own JSON lines and Parquet files."""

from collections.abc import Iterator, Set
from typing import Final

from arena_preference.battles import DESCRIPTION_COLUMNS

from .cells import read_id, read_optional
from .conversations import CONVERSATIONS, parse_conversations
from .format import Battle, Format, Row


def _matches(columns: Set[str], head: list[Row]) -> bool:
    return columns >= CONVERSATIONS


def _parse(row: Row) -> Iterator[Battle]:
    yield parse_conversations(row, read_id(row), _describe)


def _describe(battle: Battle, row: Row) -> None:
    battle |= read_optional(row, **{name: name for name in DESCRIPTION_COLUMNS})


MESSAGES: Final = Format("messages", _matches, _parse)
