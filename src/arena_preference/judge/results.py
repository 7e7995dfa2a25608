"""What a judge returns: the preference between two responses, and the ranking of several."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Side = Literal["a", "b"]
Winner = Literal["a", "b", "tie"]


@dataclass(frozen=True)
class Reason:
    """What speaks for one of the responses.

    Attributes:
        text: In words, such as "A is 2.1 times as long".
        side: The response that it speaks for.
        contribution: To the log-odds of that response against the other, greater than 0.
        feature: Name of the feature.
    """

    text: str
    side: Side
    contribution: float
    feature: str


@dataclass(frozen=True)
class Preference:
    """Probabilities that a person prefers response a, prefers response b, or calls it a tie; they sum to 1."""

    a: float
    b: float
    tie: float
    _explain: Callable[[], list[Reason]] = field(repr=False, compare=False)

    @property
    def winner(self) -> Winner:
        """The likeliest outcome; "tie" if a and b are equally likely."""
        if self.tie >= max(self.a, self.b) or self.a == self.b:
            return "tie"
        return "a" if self.a > self.b else "b"

    @cached_property
    def why(self) -> list[Reason]:
        """The largest contributions, computed on first use."""
        return self._explain()

    def to_dict(self) -> dict[str, float]:
        """The three probabilities by name."""
        return {"a": self.a, "b": self.b, "tie": self.tie}


@dataclass(frozen=True, eq=False)
class Ranking:
    """An order of n responses to one prompt.

    Attributes:
        matrix: Probability that response i is preferred to response j, shape (n, n); 0 on the diagonal. The rest to 1
            of ``matrix[i, j] + matrix[j, i]`` is the probability of a tie.
    """

    matrix: npt.NDArray[np.float64]

    @cached_property
    def win_probabilities(self) -> npt.NDArray[np.float64]:
        """Mean probability of each response to win against another, a tie counted half; shape (n,)."""
        n = len(self.matrix)
        # A win, and half of what neither wins.
        halves = (1 + self.matrix - self.matrix.T) / 2
        return (halves.sum(axis=1) - 0.5) / (n - 1) if n > 1 else np.full(n, 0.5)

    @property
    def order(self) -> list[int]:
        """Indices of the responses, the best first; of equally good ones the first comes first."""
        return np.argsort(-self.win_probabilities, kind="stable").tolist()

    @property
    def best(self) -> int:
        """Index of the best response."""
        return self.order[0]

    def to_dict(self) -> dict[str, Any]:
        """Order, win probabilities and matrix as lists."""
        return {
            "order": self.order,
            "win_probabilities": self.win_probabilities.tolist(),
            "matrix": self.matrix.tolist(),
        }
