"""Truncation of battles that are longer than the model reads."""

from bisect import bisect_right
from collections.abc import Callable, Sequence

#: Token ids of a prompt and of the one or two responses to it.
Turn = tuple[list[int], ...]


def share_budget(lengths: Sequence[int], budget: int) -> list[int]:
    """Share tokens between a prompt and its responses.

    A response's share is twice the prompt's; what one text does not need goes to the others, so that the longer
    response is cut first. Two responses that are both cut keep equally many tokens; an odd token goes to the prompt or,
    if that is complete, is left over.

    Args:
        lengths: Tokens of the prompt and of each response.
        budget: Tokens that may be kept.

    Returns:
        Kept tokens of the prompt and of each response.
    """
    prompt, *responses = lengths

    def share(level: int) -> list[int]:
        return [min(prompt, level // 2), *(min(response, level) for response in responses)]

    levels = range(2 * max(lengths) + 1)
    _, *kept = share(bisect_right(levels, budget, key=lambda level: sum(share(level))) - 1)
    return [min(prompt, budget - sum(kept)), *kept]


def fit_turns(turns: Sequence[Turn], find_budget: Callable[[int], int]) -> list[Turn]:
    """Cut a conversation to a budget: early turns are dropped, then the starts of the last turn's texts.

    Args:
        turns: At least one.
        find_budget: From a number of turns to the tokens that these may have.

    Returns:
        The remaining turns, at least one.
    """
    kept = list(turns)
    while len(kept) > 1 and sum(len(text) for turn in kept for text in turn) > find_budget(len(kept)):
        kept.pop(0)
    if len(kept) > 1:
        return kept
    sizes = share_budget([len(text) for text in kept[0]], find_budget(1))
    return [tuple(text[len(text) - size :] for text, size in zip(kept[0], sizes, strict=True))]
