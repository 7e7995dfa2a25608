"""Who wins: the Davidson model (Bradley-Terry with ties) over the latent utilities of the two answers.

With the utility difference u and the log-odds of a tie t, P(A), P(B) and P(tie) are proportional to exp(u / 2),
exp(-u / 2) and exp(t) (Davidson, 1970).
"""

import re

import numpy as np

from arena_preference.battles import FloatArray

from .answers import Traits
from .options import SimulationOptions, StyleOptions

_LIST_ITEM = re.compile(r"^(?:- |\d+\. )", re.MULTILINE)
_QUADRATURE_NODES = 20


def measure_style(text: str) -> tuple[int, int, int, int]:
    """Count characters, list items, headers and bold passages, the order of LMArena's style control."""
    items = len(_LIST_ITEM.findall(text)) if "- " in text or ". " in text else 0
    headers = text.count("\n## ") + text.startswith("## ")
    return len(text), items, headers, text.count("**") // 2


def compute_quality(traits: FloatArray, strengths: FloatArray, options: SimulationOptions) -> FloatArray:
    """Give the utility of each answer but for its style, 0 for a flawless, neutral one of a mean chatbot.

    Args:
        traits: Mean over turns, shape (n, 2, number of traits), in the order of ``Traits``.
        strengths: The chatbots' strengths, shape (n, 2).
        options: Parameters ``simulation``.

    Returns:
        Log-odds, shape (n, 2).
    """
    weights = np.array([getattr(options.utility, name) for name in Traits._fields])
    return traits @ weights - options.utility.coverage + options.utility.strength * strengths


def compute_verdict_probabilities(quality: FloatArray, styles: FloatArray, options: SimulationOptions) -> FloatArray:
    """Give the true probabilities of the verdicts, a person's taste integrated out by Gauss-Hermite quadrature.

    Args:
        quality: Utility of each answer but for its style, shape (n, 2).
        styles: Counts of ``measure_style``, shape (n, 2, 4).
        options: Parameters ``simulation``.

    Returns:
        P(A), P(B), P(tie), shape (n, 3).
    """
    difference = quality[:, 0] - quality[:, 1] + _compute_style_advantage(styles, options.style) + options.position
    tie = options.tie + options.both_bad * np.maximum(0.0, -quality.mean(axis=1))
    nodes, weights = np.polynomial.hermite_e.hermegauss(_QUADRATURE_NODES)
    utility = difference[:, None] + options.noise * nodes
    scores = np.stack([utility / 2, -utility / 2, np.broadcast_to(tie[:, None], utility.shape)], axis=2)
    scores = np.exp(scores - scores.max(axis=2, keepdims=True))
    given_taste = scores / scores.sum(axis=2, keepdims=True)
    probabilities = np.einsum("nkc,k->nc", given_taste, weights)
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def draw_labels(probabilities: FloatArray, generator: np.random.Generator) -> np.ndarray:
    """Draw one verdict per battle, shape (n,), values 0, 1, 2."""
    thresholds = probabilities[:, :2].cumsum(axis=1)
    return (generator.random(len(probabilities))[:, None] >= thresholds).sum(axis=1).astype(np.int8)


def _compute_style_advantage(styles: FloatArray, options: StyleOptions) -> FloatArray:
    a, b = styles[:, 0], styles[:, 1]
    shares = (a - b) / np.maximum(a + b, 1.0)
    return options.scale * (shares @ np.array([options.length, options.lists, options.headers, options.bold]))
