"""Preference pairs as TRL has them: columns chosen and rejected, with the prompt beside or inside them."""

from collections.abc import Iterator, Set
from typing import Final

from arena_preference.battles import ID

from .cells import Turns, read_id, read_number
from .format import Battle, Format, Row, UnusableRowError
from .messages_prompt import REPLY, Message, drop_cue, read_messages, split_turns
from .sides import draw_sides


def _matches(columns: Set[str], head: list[Row]) -> bool:
    return columns >= {"chosen", "rejected"}


def _parse(row: Row) -> Iterator[Battle]:
    prompt, chosen, rejected = read_pair(row)
    margin = read_number(row, "margin")
    yield {
        ID: read_id(row),
        "prompt": prompt,
        **draw_sides(chosen, rejected),
        **({"weight": margin} if margin is not None and margin > 0 else {}),
    }


def read_pair(row: Row) -> tuple[Turns, Turns, Turns]:
    """Turns of the prompt, of the chosen and of the rejected response.

    Raises:
        UnusableRowError: If one is missing, or the responses are to different prompts.
    """
    prompt = [] if row.get("prompt") in (None, "") else drop_cue(read_messages(row, "prompt", "user"))
    (turns, chosen), (other_turns, rejected) = (
        split_turns(_complete(prompt, read_messages(row, column, REPLY), column)) for column in ("chosen", "rejected")
    )
    if turns != other_turns:
        raise UnusableRowError("chosen and rejected have different prompts")
    return turns, chosen, rejected


def _complete(prompt: list[Message], messages: list[Message], column: str) -> list[Message]:
    """The conversation of a side, which may be only the reply or contain the prompt, too."""
    if not messages or messages[0][0] == REPLY:
        return [*prompt, *messages]
    if not set(prompt) <= set(messages):
        raise UnusableRowError(f"{column} begins with another prompt than the column prompt")
    return messages


#: Columns of the texts.
PAIR_COLUMNS: Final = ("prompt", "chosen", "rejected")

PREFERENCE: Final = Format("preference", _matches, _parse, columns=PAIR_COLUMNS)
