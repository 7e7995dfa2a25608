"""Preference pairs as TRL has them: columns chosen and rejected, with the prompt beside or inside them."""

from collections.abc import Iterator, Set
from typing import Final

from arena_preference.battles import ID

from .cells import Turns, check_reply, read_id, read_number
from .conversations import REPLY, USER, Message, check_extras, read_messages, split_turns
from .format import Battle, Format, Row, UnusableRowError
from .sides import label_pair


def _matches(columns: Set[str], head: list[Row]) -> bool:
    return columns >= {"chosen", "rejected"}


def _parse(row: Row) -> Iterator[Battle]:
    prompt, chosen, rejected = read_pair(row)
    margin = read_number(row, "margin")
    yield {
        ID: read_id(row),
        "prompt": prompt,
        **label_pair(chosen, rejected),
        **({"weight": margin} if margin is not None and margin > 0 else {}),
    }


def read_pair(row: Row) -> tuple[Turns, Turns, Turns]:
    """Turns of the prompt, of the chosen and of the rejected response.

    Raises:
        UnusableRowError: If one is missing, or the responses are to different prompts.
        ExcludedRowError: If one has images or calls of tools.
    """
    prompt, extras = ([], set()) if row.get("prompt") in (None, "") else read_messages(row, "prompt", USER)
    check_extras(extras)
    # An empty message at the end of a prompt asks for the reply.
    if prompt[-1:] == [(REPLY, "")]:
        prompt.pop()
    (turns, chosen), (other_turns, rejected) = (_read_side(row, column, prompt) for column in ("chosen", "rejected"))
    if turns != other_turns:
        raise UnusableRowError("chosen and rejected have different prompts")
    return turns, chosen, rejected


def _read_side(row: Row, column: str, prompt: list[Message]) -> tuple[Turns, Turns]:
    """Turns of the prompt and of the replies of a side, which may be only the reply or contain the prompt, too."""
    messages, extras = read_messages(row, column, REPLY)
    check_extras(extras)
    if not messages or messages[0][0] == REPLY:
        if not prompt:
            raise UnusableRowError("there is no prompt")
        messages = [*prompt, *messages]
    elif not set(prompt) <= set(messages):
        raise UnusableRowError(f"{column} begins with another prompt than the column prompt")
    turns, replies = split_turns(messages)
    return turns, check_reply(replies, column)


#: Columns of the texts.
PAIR_COLUMNS: Final = ("prompt", "chosen", "rejected")

PREFERENCE: Final = Format("preference", _matches, _parse, draws_sides=True, columns=PAIR_COLUMNS)
