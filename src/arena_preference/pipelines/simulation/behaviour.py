"""Behaviour of a model in one battle, drawn from its habits and ability."""

import math
from typing import NamedTuple

from .rng import Random
from .texts import Model


class Behaviour(NamedTuple):
    """What a model does in one battle; the effect depends on the length of the response."""

    coverage: float  # probability that a requested point is covered
    error: float  # probability that a covered point is stated wrongly
    off_topic: float  # fraction of further sentences that belong to another topic
    repetition: float  # fraction of further sentences that repeat earlier ones
    hedges: int  # number of sentences that cast doubt on the response
    refuses: bool  # it does not respond to the prompt
    breaks_off: bool  # the response ends in mid-sentence
    slips_into_english: bool  # it responds in English whatever the prompt's language
    ignores_layout: bool  # it writes prose where a list or table was asked for
    greets: bool  # it opens in a friendly way
    closes: bool  # it ends in a friendly way
    is_curt: bool  # it opens in an unfriendly way
    lists: bool  # it turns prose into a list
    headers: bool  # it writes headers
    bold: bool  # it writes titles in bold
    titles: bool  # it puts plain titles before points
    length: float  # factor on the usual length


def draw_behaviour(rng: Random, model: Model, ability: float, length_noise: float) -> Behaviour:
    """Draw what a model does in one battle.

    ``ability`` is that of the model in this battle, in standard deviations; ``length_noise`` is a standard normal
    deviate of its log length.
    """

    def happens(log_odds: float, slope: float) -> bool:
        return rng.chance(_logistic(log_odds - slope * ability))

    return Behaviour(
        coverage=_logistic(1.0 + 1.1 * ability + 1.2 * (rng.uniform() - 0.5)),
        error=_logistic(-1.5 - 1.3 * ability),
        off_topic=0.35 + 0.5 * rng.uniform() if happens(-1.7, 0.9) else 0.0,
        repetition=0.2 + 0.5 * rng.uniform() if happens(-2.0, 0.8) else 0.0,
        hedges=rng.integer(1, 3) if happens(-2.0, 0.7) else 0,
        refuses=happens(-2.9, 0.7),
        breaks_off=happens(-2.3, 0.6),
        slips_into_english=happens(-1.2, 0.9),
        ignores_layout=happens(-1.5, 0.8),
        greets=rng.chance(model.warmth),
        closes=rng.chance(model.warmth),
        is_curt=happens(-3.0, 0.8),
        lists=rng.chance(model.lists),
        headers=rng.chance(model.headers),
        bold=rng.chance(model.bold),
        titles=rng.chance(0.6),
        length=math.exp(0.7 * model.verbosity + 0.11 * ability + 0.42 * length_noise),
    )


def _logistic(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-log_odds))
