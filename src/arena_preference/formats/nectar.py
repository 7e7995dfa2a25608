"""Nectar: a prompt and several answers that an AI judge has ranked; each two successive ranks are a battle."""

from collections.abc import Iterator, Mapping, Set
from itertools import pairwise
from typing import Any, Final

from arena_preference.battles import ID

from .cells import read_id, read_number, read_text, repair_text
from .conversations import REPLY, USER, check_extras, read_messages, split_turns
from .format import Battle, ExcludedRowError, Format, Row, UnusableRowError
from .sides import draw_sides


def _matches(columns: Set[str], head: list[Row]) -> bool:
    return columns >= {"prompt", "answers"}


def _parse(row: Row) -> Iterator[Battle]:
    messages, extras = read_messages(row, "prompt", USER)
    check_extras(extras)
    answers = row.get("answers")
    if not isinstance(answers, list) or len(answers) < 2:
        raise UnusableRowError("answers is not a list of two or more")
    ranked = sorted((_read_answer(answer) for answer in answers), key=lambda answer: answer[0])
    # Of two equal answers none can be the better one.
    pairs = [(a, b) for a, b in pairwise(ranked) if a[0] == b[0] or a[1] != b[1]]
    if not pairs:
        raise ExcludedRowError("all answers are the same")
    for (rank, better, better_model), (next_rank, worse, worse_model) in pairs:
        prompt, chosen = split_turns([*messages, (REPLY, better)])
        _, rejected = split_turns([*messages, (REPLY, worse)])
        sides = draw_sides(
            *(chosen, rejected), is_tie=rank == next_rank, better_model=better_model, worse_model=worse_model
        )
        yield {ID: read_id(row), "prompt": prompt, **sides}


def _read_answer(answer: Any) -> tuple[float, str, str | None]:
    row = dict(answer) if isinstance(answer, Mapping) else {}
    rank, text = read_number(row, "rank"), row.get("answer")
    if rank is None or not isinstance(text, str):
        raise UnusableRowError("an answer has no text or no rank")
    return rank, repair_text(text), read_text(row, "model")


NECTAR: Final = Format("nectar", _matches, _parse, voters="AI")
