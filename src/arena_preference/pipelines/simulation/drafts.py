"""Drafts the battles of a split: who asks what how often, which chatbots meet, and what they answer."""

import math
from dataclasses import dataclass

import numpy as np

from arena_preference.battles import normalise_prompt

from .answers import Traits, write_answer
from .chatbots import CHATBOTS, Chatbot
from .craft import draw_craft
from .draws import Draws
from .options import SimulationOptions
from .prompts import Ask, add_situation, draw_ask, draw_follow_up

LONGEST_BATTLE = 36  # turns; the competition's longest
_LARGEST_GROUP_SHARE = 107 / 57_477
_FURTHER_TURN = 0.36  # so that one battle in a hundred has five turns or more
_POPULARITY_DECAY = 0.02
_LATER_TURN_LENGTH = 0.8


@dataclass(slots=True)
class Draft:
    """One battle before its verdict: turns of the prompt, and turns and their traits for each side."""

    prompt: list[str]
    chatbots: tuple[Chatbot, Chatbot]
    answers: tuple[list[str | None], list[str | None]]
    traits: tuple[list[Traits], list[Traits]]


def draft_battles(count: int, options: SimulationOptions, generator: np.random.Generator) -> list[Draft]:
    """Draft the battles of one split, in random order.

    Args:
        count: Number of battles.
        options: Parameters ``simulation``.
        generator: Where chance comes from.
    """
    draws = Draws(generator)
    groups = _draw_prompt_groups(count, options.repeated_prompt_share, generator)
    asks = _draw_distinct_asks(int(groups.max()) + 1, options, draws)
    pairs = _draw_pairs(count, generator)
    turns = np.where(
        generator.random(count) < options.single_turn_share, 1, 1 + generator.geometric(1 - _FURTHER_TURN, count)
    )
    turns[generator.integers(count)] = LONGEST_BATTLE
    deviates = generator.standard_normal((count, 5))
    return [
        _draft_battle(asks[group], CHATBOTS[one], CHATBOTS[other], n_turns, z, options, draws)
        for group, (one, other), n_turns, z in zip(
            groups.tolist(), pairs.tolist(), turns.tolist(), deviates.tolist(), strict=True
        )
    ]


def _draft_battle(
    first: Ask,
    one: Chatbot,
    other: Chatbot,
    n_turns: int,
    deviates: list[float],
    options: SimulationOptions,
    draws: Draws,
) -> Draft:
    asks = [first, *(draw_follow_up(draws, first) for _ in range(n_turns - 1))]
    usual = options.usual_length * math.exp(options.shared_length_spread * deviates[0])
    # The person's patience ends: the longest battles consist of short turns.
    usual *= 1.0 if n_turns == 1 else _LATER_TURN_LENGTH if n_turns < LONGEST_BATTLE else 0.2
    answers: tuple[list[str | None], list[str | None]] = ([], [])
    traits: tuple[list[Traits], list[Traits]] = ([], [])
    for side, chatbot in enumerate((one, other)):
        ability = chatbot.strength + options.ability_spread * deviates[1 + side]
        craft = draw_craft(draws, chatbot, ability, deviates[3 + side])
        for ask in asks:
            text, seen = write_answer(draws, ask, craft, usual * craft.length * ask.extent)
            answers[side].append(text)
            traits[side].append(seen)
    return Draft([ask.text for ask in asks], (one, other), answers, traits)


def _draw_prompt_groups(count: int, repeated_share: float, generator: np.random.Generator) -> np.ndarray:
    """Number the prompt of each battle so that the given share of battles shares theirs with another."""
    left = round(count * repeated_share)
    sizes: list[int] = []
    largest = max(2, round(count * _LARGEST_GROUP_SHARE))
    while left >= 2:
        size = min(largest, left, 2 + int(generator.pareto(1.7))) if sizes else min(largest, left)
        sizes.append(size)
        left -= size
    sizes += [1] * (count - sum(sizes))
    return generator.permutation(np.repeat(np.arange(len(sizes)), sizes))


def _draw_distinct_asks(count: int, options: SimulationOptions, draws: Draws) -> list[Ask]:
    asks: list[Ask] = []
    seen: set[str] = set()
    while len(asks) < count:
        ask = draw_ask(draws, options.other_language_share)
        while normalise_prompt(ask.text) in seen:
            ask = add_situation(draws, ask)
        seen.add(normalise_prompt(ask.text))
        asks.append(ask)
    return asks


def _draw_pairs(count: int, generator: np.random.Generator) -> np.ndarray:
    """Draw two different chatbots per battle, well-known ones more often; shape (count, 2)."""
    popularity = np.exp(-_POPULARITY_DECAY * np.arange(len(CHATBOTS)))
    first = generator.choice(len(CHATBOTS), size=count, p=popularity / popularity.sum())
    second = (first + generator.integers(1, len(CHATBOTS), size=count)) % len(CHATBOTS)
    swapped = generator.random(count) < 0.5
    return np.stack([np.where(swapped, second, first), np.where(swapped, first, second)], axis=1)
