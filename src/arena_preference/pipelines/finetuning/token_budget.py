"""What is kept of a battle that is longer than the model reads."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Turn(NamedTuple):
    """One exchange as token ids: what was asked, and the answers to it, one or two of them."""

    prompt: list[int]
    answers: tuple[list[int], ...]


def share_budget(prompt: int, answers: Sequence[int], budget: int) -> tuple[int, list[int]]:
    """Share tokens between a prompt and its answers.

    An answer's share is twice the prompt's; what one does not need goes to the others, so that the longer answer is cut
    first. Two answers that are both cut keep equally many tokens: a token that cannot be halved goes to the prompt or,
    if that is whole, to nobody.

    Args:
        prompt: Tokens of the prompt.
        answers: Tokens of each answer.
        budget: Tokens that may be kept.

    Returns:
        The tokens that are kept of the prompt and of each answer.
    """
    needed = (prompt, *answers)
    if sum(needed) <= budget:
        return prompt, list(answers)

    def keep(level: int) -> tuple[int, list[int]]:
        return min(prompt, level // 2), [min(answer, level) for answer in answers]

    def count(level: int) -> int:
        of_prompt, of_answers = keep(level)
        return of_prompt + sum(of_answers)

    level = bisect_right(range(2 * max(needed) + 1), budget, key=count) - 1
    of_prompt, of_answers = keep(level)
    extra = min(budget - count(level), prompt - of_prompt)
    return of_prompt + extra, of_answers


def fit_turns(turns: Sequence[Turn], find_budget: Callable[[int], int]) -> list[Turn]:
    """Cut a conversation down to a budget: whole early turns first, then the last one, of which the ends are kept.

    Args:
        turns: At least one.
        find_budget: Gives the tokens that may be kept of so many turns.

    Returns:
        The turns that are left, at least one.
    """
    kept = list(turns)
    while len(kept) > 1 and _count(kept) > find_budget(len(kept)):
        kept.pop(0)
    if len(kept) > 1:
        return kept
    (last,) = kept
    of_prompt, of_answers = share_budget(len(last.prompt), [len(answer) for answer in last.answers], find_budget(1))
    answers = tuple(_keep_end(answer, size) for answer, size in zip(last.answers, of_answers, strict=True))
    return [Turn(_keep_end(last.prompt, of_prompt), answers)]


def _count(turns: Sequence[Turn]) -> int:
    return sum(len(turn.prompt) + sum(map(len, turn.answers)) for turn in turns)


def _keep_end(tokens: list[int], size: int) -> list[int]:
    return tokens[len(tokens) - size :]
