"""PPE human preferences: an evaluation set of votes in Chatbot Arena."""

from collections.abc import Iterator, Set
from typing import Final

from arena_preference.battles import ID

from .cells import check_reply, read_id, read_optional, read_text_or_turns, read_tie_kind, read_winner
from .format import Battle, Format, Row


def _matches(columns: Set[str], head: list[Row]) -> bool:
    return columns >= {"prompt", "response_1", "response_2", "winner", "model_a", "model_b"}


def _parse(row: Row) -> Iterator[Battle]:
    label = read_winner(row)
    yield {
        ID: read_id(row),
        "prompt": read_text_or_turns(row, "prompt"),
        "response_a": check_reply(read_text_or_turns(row, "response_1"), "response_1"),
        "response_b": check_reply(read_text_or_turns(row, "response_2"), "response_2"),
        "label": label,
        **read_optional(row, model_a="model_a", model_b="model_b", language="language"),
        **read_tie_kind(row, label),
    }


PPE: Final = Format("ppe", _matches, _parse, is_benchmark=True, columns=("prompt", "response_1", "response_2"))
