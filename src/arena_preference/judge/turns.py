"""Prompts and responses as callers have them: a text, a list of turns, or messages in OpenAI's format."""

from collections.abc import Mapping, Sequence
from typing import Any

from arena_preference.formats.cells import Turns, repair_text
from arena_preference.formats.conversations import REPLY, USER, check_extras, read_messages, split_turns
from arena_preference.formats.format import UnusableRowError

#: A text, turns (texts, or None for a turn without one), or messages with role and content.
Conversation = str | Sequence[str | None] | Sequence[Mapping[str, Any]]


def read_battle(prompt: Conversation, **responses: Conversation) -> tuple[Turns, list[Turns]]:
    """Turns of a prompt, and of each response to it, by the name of the argument.

    A response that is one text answers the last turn of the prompt; earlier replies are those that the messages of the
    prompt have, or unknown.

    Raises:
        TypeError: If an argument is none of the three forms.
        ValueError: If messages do not fit: a prompt that does not end with the user, a response of another role, or
            media and calls of tools, which texts cannot hold.
    """
    turns, replies = _read_prompt(prompt)
    return turns, [_read_response(response, name, replies) for name, response in responses.items()]


def read_candidates(prompt: Conversation, responses: Sequence[Conversation]) -> tuple[Turns, list[Turns]]:
    """Turns of a prompt and of several responses to it; raises what ``read_battle`` raises."""
    if isinstance(responses, str) or not isinstance(responses, Sequence):
        raise TypeError(f"responses is {_describe(responses)}, but has to be a list of responses.")
    return read_battle(prompt, **{f"responses[{index}]": response for index, response in enumerate(responses)})


def _read_prompt(prompt: Conversation) -> tuple[Turns, Turns]:
    """Turns of the user, and the replies to all of them but the last."""
    if not _is_messages(prompt, "prompt"):
        turns = _read_turns(prompt, "prompt")
        return turns, [None] * (len(turns) - 1)
    turns, replies = _split_messages(prompt, USER, "prompt")
    if replies[-1:] not in ([None], [""]):
        raise ValueError("prompt ends with the assistant. Leave out its last message, or pass it as the response.")
    return turns, replies[:-1]


def _read_response(response: Conversation, name: str, replies: Turns) -> Turns:
    if not _is_messages(response, name):
        turns = _read_turns(response, name)
        return [*replies, *turns] if len(turns) == 1 else turns
    messages: list[Any] = list(response)
    if any(not isinstance(message, Mapping) or message.get("role") != REPLY for message in messages):
        raise ValueError(f"{name} has messages of another role than '{REPLY}'. Pass the rest as the prompt.")
    # Messages of the assistant in a row are one reply; split_turns wants a turn of the user before them.
    _, (reply,) = _split_messages([{"role": USER, "content": ""}, *messages], REPLY, name)
    return [*replies, reply]


def _is_messages(value: Any, name: str) -> bool:
    if isinstance(value, str):
        return False
    if not isinstance(value, Sequence) or not value:
        raise TypeError(f"{name} is {_describe(value)}, but has to be a text, a list of turns, or a list of messages.")
    return isinstance(value[0], Mapping)


def _read_turns(value: Any, name: str) -> Turns:
    turns = [value] if isinstance(value, str) else list(value)
    for turn in turns:
        if not isinstance(turn, str | None):
            raise TypeError(f"A turn of {name} is {_describe(turn)}, but has to be a text or None.")
    return [None if turn is None else repair_text(turn) for turn in turns]


def _split_messages(messages: Any, role: str, name: str) -> tuple[Turns, Turns]:
    try:
        read, extras = read_messages({name: list(messages)}, name, role)
        check_extras(extras)
        return split_turns(read)
    except UnusableRowError as reason:
        raise ValueError(f"{name}: {reason}.") from None


def _describe(value: Any) -> str:
    return "empty" if isinstance(value, Sequence) and not value else f"of type {type(value).__name__}"
