"""How a text of any length becomes pieces that a model can read at once."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int32]


class Window(NamedTuple):
    """What goes through a model as one row."""

    tokens: Tokens
    """Token ids with special tokens and prefix, shape (width,)."""
    own_tokens: int
    """How many of them are of the text itself."""
    skipped_tokens: int
    """How many at the start take no part in the pooling."""


def cut_windows(tokens: Tokens, room: int, overlap: int) -> list[Tokens]:
    """Cover a text with windows.

    Args:
        tokens: The text, shape (n,).
        room: Most tokens of a window, more than ``overlap``.
        overlap: Tokens that a window shares with the one before.

    Returns:
        At least one window. Every token lies in one; each window but the last is full.
    """
    starts = range(0, max(len(tokens) - overlap, 1), room - overlap)
    return [tokens[start : start + room] for start in starts]


def cut_middle(tokens: Tokens, room: int, tail: int) -> Tokens:
    """Cut a text of more than ``room`` tokens: ``tail`` of them stay from its end, the others from its start."""
    if len(tokens) <= room:
        return tokens
    return np.concatenate([tokens[: room - tail], tokens[len(tokens) - tail :]])
