"""How close simulated battles come to the competition's own, figure by figure."""

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from arena_preference.battles import FloatArray, normalise_prompt

Turns = list[str | None]


class Margin(NamedTuple):
    """A figure of the competition's data, and how far a large simulation may be from it."""

    target: float
    tolerance: float


MARGINS = {
    "a_share": Margin(0.349, 0.01),
    "b_share": Margin(0.342, 0.01),
    "tie_share": Margin(0.309, 0.01),
    "single_turn_share": Margin(0.869, 0.01),
    "answer_length_p50": Margin(1036, 0.15 * 1036),
    "answer_length_p95": Margin(3584, 0.15 * 3584),
    "longer_answer_wins": Margin(0.61, 0.02),
    "repeated_prompt_share": Margin(9551 / 57477, 0.02),
}


def measure_margins(prompts: list[Turns], lengths: FloatArray, labels: np.ndarray) -> dict[str, dict[str, float]]:
    """Set the figures of one split beside their targets.

    Args:
        prompts: Turns of each prompt.
        lengths: Characters of each answer, shape (n, 2).
        labels: Verdicts, shape (n,).

    Returns:
        ``value``, ``target`` and ``tolerance`` by name of the figure.
    """
    shares = np.bincount(labels, minlength=3) / len(labels)
    groups = Counter(normalise_prompt(turns[0]) for turns in prompts)
    decided = (labels < 2) & (lengths[:, 0] != lengths[:, 1])
    longer = (lengths[:, 1] > lengths[:, 0]).astype(int)
    values = {
        "a_share": shares[0],
        "b_share": shares[1],
        "tie_share": shares[2],
        "single_turn_share": np.mean([len(turns) == 1 for turns in prompts]),
        "answer_length_p50": np.quantile(lengths, 0.5),
        "answer_length_p95": np.quantile(lengths, 0.95),
        "longer_answer_wins": np.mean(labels[decided] == longer[decided]),
        "repeated_prompt_share": sum(size for size in groups.values() if size > 1) / len(prompts),
    }
    return {
        name: {"value": round(float(values[name]), 4), "target": round(target, 4), "tolerance": tolerance}
        for name, (target, tolerance) in MARGINS.items()
    }


def compute_log_loss(probabilities: FloatArray, labels: np.ndarray) -> float:
    """Give the mean negative natural logarithm of the probability of what happened."""
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())


def summarise_split(prompts: list[Turns], lengths: FloatArray, labels: np.ndarray, truth: FloatArray) -> dict[str, Any]:
    """Report size, Bayes limit and margins of one split."""
    return {
        "battles": len(labels),
        "bayes_optimal_log_loss": round(compute_log_loss(truth, labels), 5),
        "margins": measure_margins(prompts, lengths, labels),
    }
