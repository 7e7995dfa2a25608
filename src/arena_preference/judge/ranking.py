"""Ranks the responses of a file's rows, and makes pairs of them for preference optimization."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from arena_preference.datasets import RawTablesDataset
from arena_preference.formats.cells import parse_literal
from arena_preference.formats.conversations import REPLY, USER
from arena_preference.formats.format import UnusableRowError

from .results import Ranking
from .turns import Conversation, read_candidates

if TYPE_CHECKING:
    from .judge import Judge

# Pairs of responses that are predicted at a time, if one request has no more.
_PAIRS_PER_CALL: Final = 2000


class Ranked(NamedTuple):
    """A row of the file: its request, and the ranking or the reason why there is none."""

    id: Any
    prompt: Conversation
    responses: list[Conversation]
    ranking: Ranking | None
    error: str | None

    def to_dict(self) -> dict[str, Any]:
        """Id, order and win probabilities; or id and error."""
        if self.ranking is None:
            return {"id": self.id, "error": self.error}
        ranking = self.ranking.to_dict()
        return {"id": self.id, "order": ranking["order"], "win_probabilities": ranking["win_probabilities"]}

    def make_pair(self, min_margin: float = 0.0) -> dict[str, Any] | None:
        """The best response against the worst, as TRL's trainers read preferences, with the margin between them.

        The margin is the probability that the best is preferred to the worst minus that of the contrary.

        Returns:
            ``prompt``, ``chosen`` and ``rejected``, which are texts if the row has texts and else messages, and
            ``margin``; None without a ranking or with a margin of ``min_margin`` or less.
        """
        if self.ranking is None:
            return None
        best, worst = self.ranking.order[0], self.ranking.order[-1]
        margin = float(self.ranking.matrix[best, worst] - self.ranking.matrix[worst, best])
        if margin <= min_margin:
            return None
        return {**_write_pair(self.prompt, self.responses[best], self.responses[worst]), "margin": margin}


def rank_file(judge: "Judge", path: Path, context: Literal["none", "batch"] = "batch") -> Iterator[Ranked]:
    """Yield the rows of a file, with columns prompt, responses and perhaps id, in its order, each with its ranking.

    Cells of CSV are JSON where they hold lists. A row that cannot be ranked has an error instead.

    Raises:
        DatasetError: If the file cannot be read.
    """
    waiting: list[Ranked] = []
    pairs = 0
    for row in _read_rows(path):
        waiting.append(row)
        pairs += len(row.responses) ** 2 // 2
        if pairs >= _PAIRS_PER_CALL:
            yield from _rank(judge, waiting, context)
            waiting, pairs = [], 0
    yield from _rank(judge, waiting, context)


def _rank(judge: "Judge", rows: list[Ranked], context: Literal["none", "batch"]) -> Iterator[Ranked]:
    requests = [(row.prompt, row.responses) for row in rows if row.error is None]
    rankings = iter(judge.rank_many(requests, context=context) if requests else [])
    for row in rows:
        yield row if row.error is not None else row._replace(ranking=next(rankings))


def _read_rows(path: Path) -> Iterator[Ranked]:
    for (table,) in RawTablesDataset(filepath=str(path)).read_chunks():
        for number, row in enumerate(table.rows, start=table.first_row):
            row_id = row.get("id")
            row_id = number if row_id in (None, "") else row_id
            try:
                prompt, responses = _read_request(row)
            except (TypeError, ValueError) as reason:
                yield Ranked(row_id, "", [], None, str(reason))
            else:
                yield Ranked(row_id, prompt, responses, None, None)


def _read_request(row: Mapping[str, Any]) -> tuple[Conversation, list[Conversation]]:
    if missing := [name for name in ("prompt", "responses") if row.get(name) in (None, "")]:
        raise ValueError(f"{' and '.join(missing)} missing")
    prompt, responses = row["prompt"], row["responses"]
    if isinstance(responses, str):
        prompt = _parse_list(prompt) or prompt
        responses = _parse_list(responses)
    if not isinstance(responses, list) or not responses:
        raise ValueError("responses is not a list with at least one response")
    read_candidates(prompt, responses)
    return prompt, responses


def _parse_list(cell: Any) -> list[Any] | None:
    """The list that a cell of CSV holds, None if it holds something else than texts, nulls and messages."""
    try:
        value = parse_literal(cell) if isinstance(cell, str) and cell.lstrip().startswith("[") else None
    except UnusableRowError:
        return None
    fits = isinstance(value, list) and all(isinstance(item, str | Mapping | list | None) for item in value)
    return value if fits else None


def _write_pair(prompt: Conversation, chosen: Conversation, rejected: Conversation) -> dict[str, Any]:
    if isinstance(prompt, str) and isinstance(chosen, str) and isinstance(rejected, str):
        return {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    if _is_messages(prompt):
        # As they are: turns would lose the system's role.
        return {"prompt": prompt, "chosen": _write_reply(chosen), "rejected": _write_reply(rejected)}
    turns, responses = read_candidates(prompt, [chosen, rejected])
    dialogues = [
        [
            {"role": role, "content": text}
            for turn, reply in zip(turns, response, strict=False)
            for role, text in ((USER, turn), (REPLY, reply))
            if text is not None
        ]
        for response in responses
    ]
    shared = 0
    while shared < min(map(len, dialogues)) and dialogues[0][shared] == dialogues[1][shared]:
        shared += 1
    return {"prompt": dialogues[0][:shared], "chosen": dialogues[0][shared:], "rejected": dialogues[1][shared:]}


def _write_reply(response: Conversation) -> Any:
    if _is_messages(response):
        return response
    return [{"role": REPLY, "content": response if isinstance(response, str) else response[-1]}]


def _is_messages(conversation: Conversation) -> bool:
    return not isinstance(conversation, str) and isinstance(conversation[0], Mapping)
