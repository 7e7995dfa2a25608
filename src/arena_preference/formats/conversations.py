"""Battles that are two conversations, each a list of messages with role and content."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from arena_preference.battles import ID, TIE

from .cells import BOTH_BAD, Turns, parse_literal, read_as_text, read_text, read_winner, repair_text
from .format import Battle, ExcludedRowError, Row, UnusableRowError

CONVERSATIONS: Final = frozenset({"conversation_a", "conversation_b"})
# OpenAI's newer models call the system's instructions the developer's.
_SYSTEM: Final = ("system", "developer")
_TOOLS: Final = ("tool", "function")


@dataclass
class _Conversation:
    """Turns of the user, the responses to them, and what else there is that texts cannot hold."""

    prompt: Turns = field(default_factory=list)
    responses: Turns = field(default_factory=list)
    extras: set[str] = field(default_factory=set)


def parse_conversations(
    row: Row, battle_id: str | None, describe: Callable[[Battle, Row], None], n_turns: str | None = None
) -> Battle:
    """The battle of the columns conversation_a, conversation_b and winner.

    Args:
        row: The row.
        battle_id: Its id.
        describe: Adds what else the row says of the battle; may raise ``UnusableRowError``.
        n_turns: Column with the number of turns after which the vote was given; later turns are dropped.

    Raises:
        UnusableRowError: With what can be predicted, if the row does not fit or the turns of the user differ.
        ExcludedRowError: With what can be predicted, if a conversation has images or calls of tools.
    """
    battle: Battle = {ID: battle_id}
    try:
        end = None if n_turns is None else _read_n_turns(row, n_turns)
        a, b = (_read_conversation(row, column, end) for column in sorted(CONVERSATIONS))
        battle |= {"prompt": a.prompt, "response_a": a.responses, "response_b": b.responses}
        describe(battle, row)
        battle["label"] = read_winner(row)
        if battle["label"] and battle["label"][TIE]:
            battle["tie_kind"] = "both bad" if str(read_text(row, "winner")).lower() in BOTH_BAD else "tie"
        if extras := a.extras | b.extras:
            raise ExcludedRowError(f"a conversation has {' and '.join(sorted(extras))}")
        if a.prompt != b.prompt:
            raise UnusableRowError("the user's turns of the two conversations differ")
    except UnusableRowError as reason:
        if "prompt" not in battle:
            texts = [read_as_text(row.get(column)) for column in sorted(CONVERSATIONS)]
            battle |= {"prompt": [], "response_a": texts[0], "response_b": texts[1]}
        reason.battle = battle
        raise
    return battle


def _read_n_turns(row: Row, column: str) -> int | None:
    text = read_text(row, column)
    if text is None:
        return None
    # A column of integers with gaps is often written as 1.0.
    if not (text.removesuffix(".0").isdecimal() and 0 < float(text) < 10**6):
        raise UnusableRowError(f"{column} is not a number of turns: {text[:40]!r}")
    return int(float(text))


def _read_conversation(row: Row, column: str, end: int | None) -> _Conversation:
    """Turns of a conversation, up to the number ``end``.

    Messages of the assistant in a row are one response; a turn of the user without one has the response None. What the
    system says stands before the next turn of the user.
    """
    value = row.get(column)
    if value is None or value == "":
        raise UnusableRowError(f"{column} is missing")
    try:
        messages = parse_literal(value) if isinstance(value, str) else value
        if not (isinstance(messages, list) and all(isinstance(message, Mapping) for message in messages)):
            raise UnusableRowError("not a list of messages")
        conversation = _join_messages(messages, end)
    except UnusableRowError as reason:
        raise UnusableRowError(f"{column} is {reason}") from None
    if not conversation.prompt:
        raise UnusableRowError(f"{column} has no turn of the user")
    return conversation


def _join_messages(messages: list[Mapping[str, Any]], end: int | None) -> _Conversation:
    conversation, instructions = _Conversation(), None
    for message in messages:
        role = message.get("role")
        if role == "user" and len(conversation.prompt) == end:
            instructions = None
            break
        if role in _TOOLS or message.get("tool_calls") or message.get("function_call"):
            conversation.extras.add("calls of tools")
        text = _read_content(message.get("content"), conversation.extras)
        if role in _SYSTEM:
            instructions = _join(instructions, text)
        elif role == "user":
            conversation.prompt.append(_join(instructions, text))
            conversation.responses.append(None)
            instructions = None
        elif role == "assistant":
            if not conversation.prompt:
                raise UnusableRowError("a list that starts with the assistant")
            conversation.responses[-1] = _join(conversation.responses[-1], text)
        elif role not in _TOOLS:
            raise UnusableRowError(f"a list with an unknown role: {str(role)[:40]!r}")
    if instructions is not None:
        raise UnusableRowError("a list that ends with the system")
    return conversation


def _read_content(content: Any, extras: set[str]) -> str | None:
    """Text of a message's content, which is text or a list of blocks; the kind of other blocks is added to extras."""
    if content is None or isinstance(content, str):
        return None if content is None else repair_text(content)
    if not (isinstance(content, list) and all(isinstance(block, Mapping) for block in content)):
        raise UnusableRowError("a list with a content that is neither text nor a list of blocks")
    text = None
    for block in content:
        if block.get("type") == "text" and isinstance(block.get("text"), str | None):
            text = _join(text, _read_content(block.get("text"), extras))
        else:
            extras.add("images or other media")
    return text


def _join(first: str | None, second: str | None) -> str | None:
    if first is None or second is None:
        return first if second is None else second
    return f"{first}\n\n{second}" if first and second else first + second
