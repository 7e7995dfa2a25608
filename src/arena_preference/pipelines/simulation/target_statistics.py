"""Statistics of the competition's data, and how close simulated battles come to them."""

from collections import Counter

import numpy as np

from arena_preference.battles import FloatArray, normalise_prompt

# Statistics of the competition's data, and how far a large simulation may be from them.
TARGETS = {
    "a_fraction": (0.349, 0.01),
    "b_fraction": (0.342, 0.01),
    "tie_fraction": (0.309, 0.01),
    "single_turn_fraction": (0.869, 0.01),
    "response_length_p50": (1036, 0.15 * 1036),
    "response_length_p95": (3584, 0.15 * 3584),
    "longer_response_wins": (0.61, 0.02),
    "repeated_prompt_fraction": (9551 / 57477, 0.02),
}


def compare_with_targets(
    prompts: list[list[str | None]], lengths: FloatArray, labels: np.ndarray
) -> dict[str, dict[str, float]]:
    """Return ``value``, ``target`` and ``tolerance`` of each statistic of one split.

    Args:
        prompts: Turns of each prompt.
        lengths: Characters of each response, shape (n, 2).
        labels: Shape (n,).
    """
    fractions = np.bincount(labels, minlength=3) / len(labels)
    groups = Counter(normalise_prompt(turns[0]) for turns in prompts)
    decided = (labels < 2) & (lengths[:, 0] != lengths[:, 1])
    longer = (lengths[:, 1] > lengths[:, 0]).astype(int)
    values = {
        "a_fraction": fractions[0],
        "b_fraction": fractions[1],
        "tie_fraction": fractions[2],
        "single_turn_fraction": np.mean([len(turns) == 1 for turns in prompts]),
        "response_length_p50": np.quantile(lengths, 0.5),
        "response_length_p95": np.quantile(lengths, 0.95),
        "longer_response_wins": np.mean(labels[decided] == longer[decided]),
        "repeated_prompt_fraction": sum(size for size in groups.values() if size > 1) / len(prompts),
    }
    return {
        name: {"value": round(float(values[name]), 4), "target": round(target, 4), "tolerance": round(tolerance, 4)}
        for name, (target, tolerance) in TARGETS.items()
    }
