"""Published votes of Chatbot Arena and MT-Bench: two conversations, and what is known of the vote.

These are chatbot_arena_conversations (33k), arena-human-preference-100k and -140k, arena-expert-5k and
mt_bench_human_judgments. They differ in some columns, and in the content of messages: text or a list of blocks.
"""

import contextlib
from collections.abc import Iterator, Mapping, Set
from typing import Any, Final

from arena_preference.battles import ID

from .cells import parse_literal, read_id, read_optional, read_text, repair_text
from .conversations import CONVERSATIONS, parse_conversations
from .format import Battle, ExcludedRowError, Format, Row, UnusableRowError

# The first of these is in all sets of before 2025, the second in all later ones.
_ONE_OF: Final = frozenset({"question_id", "evaluation_order"})
# The judge of the part of MT-Bench that has no people's votes.
_AI_JUDGE: Final = "gpt4_pair"


def _matches(columns: Set[str], head: list[Row]) -> bool:
    return columns >= CONVERSATIONS and bool(columns & _ONE_OF)


def _parse(row: Row) -> Iterator[Battle]:
    yield parse_conversations(row, _read_id(row), _describe, n_turns="turn")


def _read_id(row: Row) -> str | None:
    """Id of the vote; MT-Bench numbers its questions, not its votes."""
    if ID in row:
        return read_id(row)
    question = read_id(row, "question_id")
    if question is None or not question.isdecimal() or "tstamp" in row or not row.keys() >= {"judge", "turn"}:
        return question
    return ":".join([question, *(read_text(row, name) or "" for name in ("model_a", "model_b", "judge", "turn"))])


def _describe(battle: Battle, row: Row) -> None:
    battle |= read_optional(
        row,
        model_a="model_a",
        model_b="model_b",
        language="language",
        judge="judge" if "judge" in row else "judge_hash",
        session="evaluation_session_id",
        timestamp="tstamp" if "tstamp" in row else "timestamp",
    )
    if categories := _read_categories(row):
        battle["category"] = ",".join(sorted(categories))
    if battle.get("judge") == _AI_JUDGE:
        raise ExcludedRowError(f"the vote is not a person's: {_AI_JUDGE!r}")
    if _read_mapping(row, "dedup_tag").get("sampled") is False:
        raise ExcludedRowError("dedup_tag: the prompt is one of many equal ones")


def _read_categories(row: Row) -> set[str]:
    """Names of the flags that are true; category_tag has them by classifier, beside scores."""
    names = {"code"} if str(row.get("is_code")).lower() == "true" else set()
    for column in ("category_tag", "occupational_tags"):
        for name, value in _read_mapping(row, column).items():
            flags = value if isinstance(value, Mapping) else {name: value}
            names |= {repair_text(str(flag)) for flag, is_set in flags.items() if is_set is True}
    return names


def _read_mapping(row: Row, column: str) -> Mapping[str, Any]:
    value = row.get(column)
    if isinstance(value, str):
        with contextlib.suppress(UnusableRowError):
            value = parse_literal(value) if value else None
    if not isinstance(value, Mapping | None):
        raise UnusableRowError(f"{column} is not an object")
    return value or {}


ARENA: Final = Format("arena", _matches, _parse)
