"""A stream of random choices: numpy's generator drawn in blocks, since one draw at a time would cost most of a run."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")

_BLOCK = 65_536


class Draws:
    """Uniform numbers, integers, items and samples from one generator, in the order in which they are asked for."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator
        self._block: list[float] = []

    def uniform(self) -> float:
        """Draw from [0, 1)."""
        if not self._block:
            self._block = self._generator.random(_BLOCK).tolist()
        return self._block.pop()

    def chance(self, probability: float) -> bool:
        """Tell whether an event of this probability happens."""
        return self.uniform() < probability

    def integer(self, low: int, high: int) -> int:
        """Draw an integer from ``low`` to ``high``, both included."""
        return low + int(self.uniform() * (high - low + 1))

    def pick(self, items: Sequence[Item]) -> Item:
        """Draw one item."""
        return items[int(self.uniform() * len(items))]

    def sample(self, items: Sequence[Item], count: int) -> list[Item]:
        """Draw ``count`` different items in random order, or all of them if there are fewer."""
        pool = list(items)
        return [pool.pop(int(self.uniform() * len(pool))) for _ in range(min(count, len(pool)))]
