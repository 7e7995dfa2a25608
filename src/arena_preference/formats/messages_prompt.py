"""Conversations: lists of messages, and texts that mark who speaks."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from .cells import Turns, parse_literal, repair_text
from .format import Row, UnusableRowError

#: Role and content.
Message = tuple[str, str | None]

REPLY: Final = "assistant"
_ROLES: Final = frozenset({"system", "developer", "user", REPLY})
# A list of messages in a cell of CSV.
_WRITTEN_MESSAGES: Final = re.compile(r"""\s*\[\s*\{\s*["'](role|content)["']\s*:""")
# Anthropic's form: "\n\nHuman: ...\n\nAssistant: ...".
_SPEAKERS: Final = {"Human": "user", "Assistant": REPLY}
_SPEAKER: Final = re.compile(r"(?:^|\n\n)(Human|Assistant):")


def read_messages(row: Row, column: str, role: str) -> list[Message]:
    """Messages of a value that is a list of them, or a text: a dialogue, or else one message of ``role``.

    Raises:
        UnusableRowError: If it is missing or something else.
    """
    value = row.get(column)
    if value is None or value == "":
        raise UnusableRowError(f"{column} is missing")
    if isinstance(value, str):
        if _WRITTEN_MESSAGES.match(value):
            try:
                return _check_messages(parse_literal(value), column)
            except UnusableRowError as reason:
                raise UnusableRowError(f"{column} is {reason}") from None
        return read_dialogue(value) or [(role, repair_text(value))]
    return _check_messages(value, column)


def _check_messages(value: Any, column: str) -> list[Message]:
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise UnusableRowError(f"{column} is neither text nor a list of messages")
    messages = []
    for item in value:
        role, content = str(item.get("role")), item.get("content")
        if role not in _ROLES:
            raise UnusableRowError(f"{column} has a message of an unknown role: {role[:40]!r}")
        if not (content is None or isinstance(content, str)):
            raise UnusableRowError(f"{column} has a message that is not text")
        messages.append((role, None if content is None else repair_text(content)))
    return messages


def read_dialogue(text: str) -> list[Message]:
    """Messages of a text in Anthropic's form, without the white space around them; none if it has another form."""
    stripped = text.lstrip()
    if not (stripped.startswith("Human:") and "\n\nAssistant:" in stripped):
        return []
    _, *parts = _SPEAKER.split(stripped)
    speakers, contents = parts[::2], parts[1::2]
    return [
        (_SPEAKERS[speaker], repair_text(content.strip())) for speaker, content in zip(speakers, contents, strict=True)
    ]


def drop_cue(messages: list[Message]) -> list[Message]:
    """Messages of a prompt without the empty one at the end that asks for the reply."""
    return messages[:-1] if messages and messages[-1] == (REPLY, "") else messages


def split_turns(messages: Sequence[Message]) -> tuple[Turns, Turns]:
    """Turns of the prompt and of the replies of a conversation that ends with a reply.

    Successive messages of one side are one turn, and a system message belongs to the prompt.

    Raises:
        UnusableRowError: If it does not begin with a prompt and end with a reply.
    """
    if not messages or messages[0][0] == REPLY:
        raise UnusableRowError("there is no prompt")
    if messages[-1][0] != REPLY:
        raise UnusableRowError("the conversation does not end with a reply")
    prompt: Turns = []
    replies: Turns = []
    previous = REPLY
    for role, content in messages:
        turns = replies if role == REPLY else prompt
        if (role == REPLY) == (previous == REPLY):
            turns[-1] = _join(turns[-1], content)
        else:
            turns.append(content)
        previous = role
    return prompt, replies


def _join(first: str | None, second: str | None) -> str | None:
    parts = [part for part in (first, second) if part is not None]
    return "\n\n".join(parts) if parts else None
