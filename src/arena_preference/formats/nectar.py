"""Nectar: a prompt and several answers that an AI judge has ranked; each two successive ranks are a battle."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from arena_preference.battles import ID

from .cells import read_id, read_number, read_text, repair_text
from .conversations import REPLY, USER, check_extras, read_messages, split_turns
from .format import Battle, ExcludedRowError, Format, Row, UnusableRowError


@dataclass(frozen=True)
class _Answer:
    position: int
    rank: float
    text: str
    model: str | None


def _matches(columns: Set[str], head: list[Row]) -> bool:
    return columns >= {"prompt", "answers"}


def _parse(row: Row) -> Iterator[Battle]:
    messages, extras = read_messages(row, "prompt", USER)
    check_extras(extras)
    answers = row.get("answers")
    if not isinstance(answers, list) or len(answers) < 2:
        raise UnusableRowError("answers is not a list of two or more")
    ranked = sorted((_read_answer(*each) for each in enumerate(answers)), key=lambda answer: answer.rank)
    # Of two equal answers none can be the better one.
    pairs = [(one, other) for one, other in pairwise(ranked) if one.rank == other.rank or one.text != other.text]
    if not pairs:
        raise ExcludedRowError("all answers are the same")
    for pair in pairs:
        a, b = sorted(pair, key=lambda answer: answer.position)
        prompt, response_a = split_turns([*messages, (REPLY, a.text)])
        _, response_b = split_turns([*messages, (REPLY, b.text)])
        models = {"model_a": a.model, "model_b": b.model}
        yield {
            ID: read_id(row),
            "prompt": prompt,
            "response_a": response_a,
            "response_b": response_b,
            "label": (float(a.rank < b.rank), float(a.rank > b.rank), float(a.rank == b.rank)),
            **{name: model for name, model in models.items() if model is not None},
        }


def _read_answer(position: int, answer: Any) -> _Answer:
    row = dict(answer) if isinstance(answer, Mapping) else {}
    rank, text = read_number(row, "rank"), row.get("answer")
    if rank is None or not isinstance(text, str):
        raise UnusableRowError("an answer has no text or no rank")
    return _Answer(position, rank, repair_text(text), read_text(row, "model"))


NECTAR: Final = Format("nectar", _matches, _parse, voters="AI", draws_sides=True)
