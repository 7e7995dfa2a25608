"""HelpSteer3 and HelpSteer2: preferences from -3, the first response is much better, to 3, the second one is."""

import re
from collections.abc import Iterator, Sequence, Set
from typing import Final

from arena_preference.battles import ID

from .cells import check_reply, read_id, read_number, read_optional, read_text_or_turns, repair_text
from .conversations import REPLY, USER, Message, check_extras, read_messages, split_turns
from .format import Battle, Format, Row, UnusableRowError

_STRONGEST: Final = 3
# HelpSteer2 writes the turns of a prompt as one text.
_SPEAKER: Final = re.compile(r"\s*<extra_id_1>(User|Assistant)\n")


def _matches_3(columns: Set[str], head: list[Row]) -> bool:
    return columns >= {"context", "response1", "response2"}


def _parse_3(row: Row) -> Iterator[Battle]:
    context, extras = read_messages(row, "context", USER)
    check_extras(extras)
    # The language of code is a programming language.
    language = {} if row.get("domain") == "code" else {"language": "language"}
    yield {
        **_read_battle(row, context, ("response1", "response2"), "overall_preference"),
        **read_optional(row, category="domain", **language),
    }


def _matches_2(columns: Set[str], head: list[Row]) -> bool:
    return columns >= {"prompt", "response_1", "response_2", "preference_strength"}


def _parse_2(row: Row) -> Iterator[Battle]:
    if not isinstance(row.get("prompt"), str) or not row["prompt"]:
        raise UnusableRowError("prompt is missing or no text")
    first, *rest = _SPEAKER.split(repair_text(row["prompt"]))
    messages: list[Message] = [(USER, first)]
    messages += [(speaker.lower(), content) for speaker, content in zip(rest[::2], rest[1::2], strict=True)]
    yield _read_battle(row, messages, ("response_1", "response_2"), "preference_strength")


def _read_battle(row: Row, context: Sequence[Message], responses: tuple[str, str], preference: str) -> Battle:
    (prompt, response_a), (_, response_b) = (
        split_turns([*context, *((REPLY, turn) for turn in read_text_or_turns(row, column))]) for column in responses
    )
    sides = {"response_a": check_reply(response_a, responses[0]), "response_b": check_reply(response_b, responses[1])}
    battle = {ID: read_id(row), "prompt": prompt, **sides}
    strength = read_number(row, preference)
    if strength is None:
        return {**battle, "label": None}
    if abs(strength) > _STRONGEST:
        raise UnusableRowError(f"{preference} is not between -{_STRONGEST} and {_STRONGEST}: {strength:g}")
    if strength == 0:
        return {**battle, "label": (0.0, 0.0, 1.0)}
    return {**battle, "label": (1.0, 0.0, 0.0) if strength < 0 else (0.0, 1.0, 0.0), "weight": abs(strength)}


HELPSTEER3: Final = Format("helpsteer3", _matches_3, _parse_3, columns=("context", "response1", "response2"))
HELPSTEER2: Final = Format("helpsteer2", _matches_2, _parse_2, columns=("prompt", "response_1", "response_2"))
