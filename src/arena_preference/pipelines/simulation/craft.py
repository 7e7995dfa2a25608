"""How a chatbot's ability on the day turns into what goes right and wrong in one answer."""

import math
from typing import NamedTuple

from .chatbots import Chatbot
from .draws import Draws


class Craft(NamedTuple):
    """What a chatbot is going to do in one battle; how much of it comes about depends on the length of the answer.

    Attributes:
        coverage: Probability that a requested point is covered.
        error: Probability that a covered point is stated wrongly.
        off_topic: Share of further sentences that belong to another topic.
        repetition: Share of further sentences that were said before.
        hedges: Number of sentences that take the answer back.
        refuses: It does not answer at all.
        breaks_off: The answer ends in mid-sentence.
        slips_into_english: It answers in English whatever the person's language.
        ignores_layout: It writes prose where a list or table was asked for.
        greets: It opens in a friendly way.
        closes: It ends in a friendly way.
        is_curt: It opens in an unfriendly way.
        lists: It turns prose into a list.
        headers: It sets headers.
        bold: It sets titles in bold.
        labels: It puts plain titles before points.
        length: Factor on the usual length.
    """

    coverage: float
    error: float
    off_topic: float
    repetition: float
    hedges: int
    refuses: bool
    breaks_off: bool
    slips_into_english: bool
    ignores_layout: bool
    greets: bool
    closes: bool
    is_curt: bool
    lists: bool
    headers: bool
    bold: bool
    labels: bool
    length: float


def draw_craft(draws: Draws, chatbot: Chatbot, ability: float, whim: float) -> Craft:
    """Draw what the chatbot does.

    Args:
        draws: Where chance comes from.
        chatbot: Its habits.
        ability: Its ability in this battle, in standard deviations.
        whim: Standard normal deviate of its length.
    """

    def happens(log_odds: float, slope: float) -> bool:
        return draws.chance(_logistic(log_odds - slope * ability))

    return Craft(
        coverage=_logistic(1.0 + 1.1 * ability + 1.2 * (draws.uniform() - 0.5)),
        error=_logistic(-1.5 - 1.3 * ability),
        off_topic=0.35 + 0.5 * draws.uniform() if happens(-1.7, 0.9) else 0.0,
        repetition=0.2 + 0.5 * draws.uniform() if happens(-2.0, 0.8) else 0.0,
        hedges=draws.integer(1, 3) if happens(-2.0, 0.7) else 0,
        refuses=happens(-2.9, 0.7),
        breaks_off=happens(-2.3, 0.6),
        slips_into_english=happens(-1.2, 0.9),
        ignores_layout=happens(-1.5, 0.8),
        greets=draws.chance(chatbot.warmth),
        closes=draws.chance(chatbot.warmth),
        is_curt=happens(-3.0, 0.8),
        lists=draws.chance(chatbot.lists),
        headers=draws.chance(chatbot.headers),
        bold=draws.chance(chatbot.bold),
        labels=draws.chance(0.6),
        length=math.exp(0.7 * chatbot.verbosity + 0.11 * ability + 0.42 * whim),
    )


def _logistic(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-log_odds))
