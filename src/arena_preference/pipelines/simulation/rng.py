"""Random choices, one at a time."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")

_BLOCK_SIZE = 65_536


class Random:
    """Random numbers and choices from a NumPy generator.

    NumPy is slow at drawing single numbers, so they are drawn in blocks. ``random.Random`` would be as fast, but its
    choices may change with the version of Python, and the same seed must always produce the same battles.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator
        self._block: list[float] = []

    def uniform(self) -> float:
        """Return a number from [0, 1)."""
        if not self._block:
            self._block = self._generator.random(_BLOCK_SIZE).tolist()
        return self._block.pop()

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self.uniform() < probability

    def integer(self, low: int, high: int) -> int:
        """Return an integer from ``low`` to ``high``, both included."""
        return low + int(self.uniform() * (high - low + 1))

    def choice(self, items: Sequence[Item]) -> Item:
        """Return one item."""
        return items[int(self.uniform() * len(items))]

    def sample(self, items: Sequence[Item], count: int) -> list[Item]:
        """Return ``count`` different items in random order, or all of them if there are fewer."""
        pool = list(items)
        return [pool.pop(int(self.uniform() * len(pool))) for _ in range(min(count, len(pool)))]
