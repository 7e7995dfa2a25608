"""Truncation of battles that are longer than the model reads."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Turn(NamedTuple):
    """Token ids of a prompt and of the one or two responses to it."""

    prompt: list[int]
    responses: tuple[list[int], ...]


def share_budget(prompt: int, responses: Sequence[int], budget: int) -> tuple[int, list[int]]:
    """Share tokens between a prompt and its responses.

    A response's share is twice the prompt's; what one does not need goes to the others, so that the longer response is
    cut first. Two responses that are both cut keep equally many tokens; an odd token goes to the prompt or, if that is
    complete, is left over.

    Args:
        prompt: Tokens of the prompt.
        responses: Tokens of each response.
        budget: Tokens that may be kept.

    Returns:
        Kept tokens of the prompt and of each response.
    """
    needed = (prompt, *responses)
    if sum(needed) <= budget:
        return prompt, list(responses)

    def keep(level: int) -> tuple[int, list[int]]:
        return min(prompt, level // 2), [min(response, level) for response in responses]

    def count(level: int) -> int:
        of_prompt, of_responses = keep(level)
        return of_prompt + sum(of_responses)

    level = bisect_right(range(2 * max(needed) + 1), budget, key=count) - 1
    of_prompt, of_responses = keep(level)
    return min(prompt, of_prompt + budget - count(level)), of_responses


def fit_turns(turns: Sequence[Turn], find_budget: Callable[[int], int]) -> list[Turn]:
    """Cut a conversation to a budget: early turns are dropped, then the starts of the last turn's texts.

    Args:
        turns: At least one.
        find_budget: From a number of turns to the tokens that these may have.

    Returns:
        The remaining turns, at least one.
    """
    kept = list(turns)
    while len(kept) > 1 and _count(kept) > find_budget(len(kept)):
        kept.pop(0)
    if len(kept) > 1:
        return kept
    (last,) = kept
    of_prompt, of_responses = share_budget(len(last.prompt), list(map(len, last.responses)), find_budget(1))
    responses = tuple(_keep_end(response, size) for response, size in zip(last.responses, of_responses, strict=True))
    return [Turn(_keep_end(last.prompt, of_prompt), responses)]


def _count(turns: Sequence[Turn]) -> int:
    return sum(len(turn.prompt) + sum(map(len, turn.responses)) for turn in turns)


def _keep_end(tokens: list[int], size: int) -> list[int]:
    return tokens[len(tokens) - size :]
