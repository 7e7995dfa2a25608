"""The 64 chatbots: how able each is, and how it likes to write."""

from typing import NamedTuple


class Chatbot(NamedTuple):
    """One chatbot.

    Attributes:
        name: Its name, of our own invention.
        strength: Ability in standard deviations from the mean of all.
        verbosity: Natural logarithm of its usual length relative to the mean.
        lists: Probability that it turns prose into a list.
        headers: Probability of headers in a longer answer.
        bold: Probability that it sets titles in bold.
        warmth: Probability of a friendly opening, and of a friendly ending.
    """

    name: str
    strength: float
    verbosity: float
    lists: float
    headers: float
    bold: float
    warmth: float


class _Family(NamedTuple):
    name: str
    strength: float
    verbosity: float
    lists: float
    headers: float
    bold: float
    warmth: float


_FAMILIES = (
    _Family("albatross", 0.9, 0.25, 0.45, 0.35, 0.55, 0.5),
    _Family("basalt", 0.7, 0.15, 0.50, 0.30, 0.60, 0.3),
    _Family("cinnabar", 0.6, -0.10, 0.25, 0.10, 0.30, 0.6),
    _Family("dragonfly", 0.4, 0.10, 0.40, 0.20, 0.40, 0.4),
    _Family("ember", 0.3, -0.25, 0.20, 0.05, 0.15, 0.5),
    _Family("fjord", 0.2, 0.20, 0.35, 0.15, 0.25, 0.3),
    _Family("gannet", 0.1, 0.00, 0.30, 0.10, 0.30, 0.4),
    _Family("hazel", 0.0, -0.15, 0.15, 0.05, 0.10, 0.5),
    _Family("iolite", -0.1, 0.15, 0.40, 0.20, 0.20, 0.2),
    _Family("juniper", -0.2, -0.30, 0.15, 0.05, 0.10, 0.3),
    _Family("kestrel", -0.3, 0.05, 0.25, 0.10, 0.20, 0.4),
    _Family("lichen", -0.4, -0.05, 0.20, 0.05, 0.10, 0.2),
    _Family("marram", -0.5, 0.10, 0.30, 0.10, 0.15, 0.3),
    _Family("nimbus", -0.6, -0.20, 0.10, 0.05, 0.05, 0.4),
    _Family("osprey", -0.7, 0.10, 0.20, 0.05, 0.10, 0.2),
    _Family("peat", -0.9, -0.35, 0.10, 0.02, 0.05, 0.2),
)
_SIZES = {"xl": 0.8, "large": 0.3, "medium": -0.2, "small": -0.9}

CHATBOTS: tuple[Chatbot, ...] = tuple(
    Chatbot(f"{family.name}-{size}", family.strength + gain, *family[2:])
    for family in _FAMILIES
    for size, gain in _SIZES.items()
)
