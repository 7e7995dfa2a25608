"""Labels from the Davidson model (Bradley-Terry with ties) over the latent utilities of both responses.

With the utility difference u and the log-odds of a tie t, P(A), P(B) and P(tie) are proportional to exp(u / 2),
exp(-u / 2) and exp(t) (Davidson, 1970).
"""

import re

import numpy as np
from scipy.special import softmax

from arena_preference.battles import FloatArray

from .config import SimulationConfig
from .responses import Traits

_LIST_ITEM = re.compile(r"^(?:- |\d+\. )", re.MULTILINE)
_QUADRATURE_NODES = 20


def count_style(text: str) -> tuple[int, int, int, int]:
    """Return the number of characters, list items, headers and bold passages, in the order of style control."""
    headers = text.count("\n## ") + text.startswith("## ")
    return len(text), len(_LIST_ITEM.findall(text)), headers, text.count("**") // 2


def compute_quality(traits: FloatArray, strengths: FloatArray, config: SimulationConfig) -> FloatArray:
    """Return the utility of each response apart from its style; 0 for a flawless, neutral one of an average model.

    Args:
        traits: Mean over turns, shape (n, 2, number of traits), in the order of ``Traits``.
        strengths: Strengths of the models, shape (n, 2).
        config: Utility of each trait and of strength.

    Returns:
        Log-odds, shape (n, 2).
    """
    weights = np.array([getattr(config.utility, name) for name in Traits._fields])
    return traits @ weights - config.utility.coverage + config.utility.strength * strengths


def compare_styles(a: FloatArray, b: FloatArray, config: SimulationConfig) -> FloatArray:
    """Return by how much the style of responses adds to the utility of A less that of B.

    Args:
        a: Counts of responses as returned by ``count_style``, shape (..., 4).
        b: The same of the responses that they are compared with.
        config: Effects of style.

    Returns:
        Log-odds, shape (...).
    """
    style = config.style_control
    coefficients = np.array([style.length, style.lists, style.headers, style.bold])
    difference: FloatArray = style.scale * ((a - b) / np.maximum(a + b, 1.0) @ coefficients)
    return difference


def compute_label_probabilities(quality: FloatArray, styles: FloatArray, config: SimulationConfig) -> FloatArray:
    """Return the true probabilities of the labels, averaged over personal taste by Gauss-Hermite quadrature.

    Args:
        quality: Utility of each response apart from its style, shape (n, 2).
        styles: Counts of each response as returned by ``count_style``, shape (n, 2, 4).
        config: Effects of style and position, and the parameters of ties and noise.

    Returns:
        P(A), P(B), P(tie), shape (n, 3).
    """
    style_difference = compare_styles(styles[:, 0], styles[:, 1], config)
    difference = quality[:, 0] - quality[:, 1] + style_difference + config.position
    tie = config.tie + config.both_bad * np.maximum(0.0, -quality.mean(axis=1))
    nodes, weights = np.polynomial.hermite_e.hermegauss(_QUADRATURE_NODES)
    utility = difference[:, None] + config.noise * nodes
    scores = np.stack([utility / 2, -utility / 2, np.broadcast_to(tie[:, None], utility.shape)], axis=2)
    probabilities = np.einsum("nkc,k->nc", softmax(scores, axis=2), weights)
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def draw_labels(probabilities: FloatArray, generator: np.random.Generator) -> np.ndarray:
    """Draw one label per battle, shape (n,), values 0, 1, 2."""
    thresholds = probabilities[:, :2].cumsum(axis=1)
    return (generator.random(len(probabilities))[:, None] >= thresholds).sum(axis=1).astype(np.int8)
