"""Conversations: lists of messages, texts that mark who speaks, and battles that are two conversations."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from arena_preference.battles import ID

from .cells import Turns, parse_literal, read_as_text, read_text, read_tie_kind, read_winner, repair_text
from .format import Battle, ExcludedRowError, Row, UnusableRowError

#: Role and text.
Message = tuple[str, str | None]

CONVERSATIONS: Final = frozenset({"conversation_a", "conversation_b"})
USER: Final = "user"
REPLY: Final = "assistant"
# OpenAI's newer models call the system's instructions the developer's.
_SYSTEM: Final = ("system", "developer")
_TOOLS: Final = ("tool", "function")
# A list of messages in a cell that may also be plain text.
_WRITTEN_MESSAGES: Final = re.compile(r"""\s*\[\s*\{\s*["'](role|content)["']\s*:""")
# Anthropic's format: "\n\nHuman: ...\n\nAssistant: ...".
_SPEAKERS: Final = {"Human": USER, "Assistant": REPLY}
_SPEAKER: Final = re.compile(r"(?:^|\n\n)(Human|Assistant):")


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
        (prompt, response_a, extras), (other_prompt, response_b, other_extras) = (
            _read_conversation(row, column, end) for column in sorted(CONVERSATIONS)
        )
        battle |= {"prompt": prompt, "response_a": response_a, "response_b": response_b}
        describe(battle, row)
        battle["label"] = read_winner(row)
        battle |= read_tie_kind(row, battle["label"])
        check_extras(extras | other_extras)
        if prompt != other_prompt:
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


def _read_conversation(row: Row, column: str, end: int | None) -> tuple[Turns, Turns, set[str]]:
    messages, extras = read_messages(row, column)
    try:
        prompt, responses = split_turns(messages, end)
    except UnusableRowError as reason:
        raise UnusableRowError(f"{column} is {reason}") from None
    if not prompt:
        raise UnusableRowError(f"{column} has no turn of the user")
    return prompt, responses, extras


def read_messages(row: Row, column: str, role: str | None = None) -> tuple[list[Message], set[str]]:
    """Messages of a value that is a list of them, and what else it has that texts cannot hold.

    Args:
        row: The row.
        column: Column of the value, a list or the text of one.
        role: With a role, any other text is a dialogue in Anthropic's format, or else one message of that role.

    Raises:
        UnusableRowError: If it is missing or something else.
    """
    value = row.get(column)
    if value is None or value == "":
        raise UnusableRowError(f"{column} is missing")
    if isinstance(value, str) and role is not None and not _WRITTEN_MESSAGES.match(value):
        return _read_dialogue(value) or [(role, repair_text(value))], set()
    try:
        return _check_messages(parse_literal(value) if isinstance(value, str) else value)
    except UnusableRowError as reason:
        raise UnusableRowError(f"{column} is {reason}") from None


def _read_dialogue(text: str) -> list[Message]:
    """Messages of a text in Anthropic's format, without the white space around them; none if it has another format."""
    stripped = text.lstrip()
    if not (stripped.startswith("Human:") and "\n\nAssistant:" in stripped):
        return []
    _, *parts = _SPEAKER.split(stripped)
    return [
        (_SPEAKERS[speaker], repair_text(content.strip()))
        for speaker, content in zip(parts[::2], parts[1::2], strict=True)
    ]


def _check_messages(value: Any) -> tuple[list[Message], set[str]]:
    if not (isinstance(value, list) and all(isinstance(message, Mapping) for message in value)):
        raise UnusableRowError("not a list of messages")
    messages: list[Message] = []
    extras: set[str] = set()
    for message in value:
        role = message.get("role")
        if role not in (USER, REPLY, *_SYSTEM, *_TOOLS):
            raise UnusableRowError(f"a list with an unknown role: {str(role)[:40]!r}")
        if role in _TOOLS or message.get("tool_calls") or message.get("function_call"):
            extras.add("calls of tools")
        text = _read_content(message.get("content"), extras)
        if role not in _TOOLS:
            messages.append((role, text))
    return messages, extras


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


def check_extras(extras: set[str]) -> None:
    """Raise ``ExcludedRowError`` if a conversation has what texts cannot hold."""
    if extras:
        raise ExcludedRowError(f"a conversation has {' and '.join(sorted(extras))}")


def split_turns(messages: Sequence[Message], end: int | None = None) -> tuple[Turns, Turns]:
    """Turns of the user and the responses to them, up to the number ``end``.

    Messages of the assistant in a row are one response; a turn of the user without one has the response None. What the
    system says stands before the next turn of the user.

    Raises:
        UnusableRowError: If the assistant is the first to speak, or the system the last.
    """
    prompt: Turns = []
    responses: Turns = []
    instructions = None
    for role, text in messages:
        if role == USER and len(prompt) == end:
            return prompt, responses
        if role in _SYSTEM:
            instructions = _join(instructions, text)
        elif role == USER:
            prompt.append(_join(instructions, text))
            responses.append(None)
            instructions = None
        elif not prompt:
            raise UnusableRowError("a list that starts with the assistant")
        else:
            responses[-1] = _join(responses[-1], text)
    if instructions is not None:
        raise UnusableRowError("a list that ends with the system")
    return prompt, responses


def _join(first: str | None, second: str | None) -> str | None:
    if first is None or second is None:
        return first if second is None else second
    return f"{first}\n\n{second}" if first and second else first + second
