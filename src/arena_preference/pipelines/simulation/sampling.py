"""Sampling of the battles of a split: which prompts repeat, which models meet, and how they respond."""

import math
from dataclasses import dataclass

import numpy as np

from arena_preference.battles import normalise_prompt

from .behaviour import draw_behaviour
from .config import SimulationConfig
from .prompts import Prompt, add_situation, draw_follow_up, draw_prompt
from .responses import Traits, write_response
from .rng import Random
from .texts import Model, load_texts

MAX_TURNS = 36  # the competition's longest battle
_LARGEST_GROUP_FRACTION = 107 / 57_477
_FURTHER_TURN = 0.36  # so that one battle in a hundred has five turns or more
_POPULARITY_DECAY = 0.02


@dataclass(slots=True)
class Sample:
    """One battle without its label: turns of the prompt, and turns of both responses with their traits."""

    prompt: list[str]
    models: tuple[Model, Model]
    responses: tuple[list[str | None], list[str | None]]
    traits: tuple[list[Traits], list[Traits]]


def sample_battles(count: int, config: SimulationConfig, generator: np.random.Generator) -> list[Sample]:
    """Return the battles of one split, in random order."""
    rng = Random(generator)
    groups = _draw_prompt_groups(count, config.repeated_prompt_fraction, generator)
    prompts = _draw_distinct_prompts(int(groups.max()) + 1, config, rng)
    pairs = _draw_pairs(count, generator)
    n_turns = np.where(
        generator.random(count) < config.single_turn_fraction, 1, 1 + generator.geometric(1 - _FURTHER_TURN, count)
    )
    n_turns[generator.integers(count)] = MAX_TURNS
    # Columns: length that both responses share; ability of A and of B; length of A and of B.
    noise = generator.standard_normal((count, 5))
    rows = zip(groups.tolist(), pairs.tolist(), n_turns.tolist(), noise.tolist(), strict=True)
    return [_sample_battle(prompts[group], pair, turns, deviates, config, rng) for group, pair, turns, deviates in rows]


def _sample_battle(
    first: Prompt, pair: list[int], n_turns: int, noise: list[float], config: SimulationConfig, rng: Random
) -> Sample:
    prompts = [first, *(draw_follow_up(rng, first) for _ in range(n_turns - 1))]
    length = config.usual_length * math.exp(config.shared_length_spread * noise[0])
    # Later turns are shorter, and those of the longest battle are short throughout.
    length *= 1.0 if n_turns == 1 else 0.8 if n_turns < MAX_TURNS else 0.2
    one, other = (load_texts().models[index] for index in pair)
    sample = Sample([prompt.text for prompt in prompts], (one, other), ([], []), ([], []))
    for side, model in enumerate(sample.models):
        ability = model.strength + config.ability_spread * noise[1 + side]
        behaviour = draw_behaviour(rng, model, ability, noise[3 + side])
        for prompt in prompts:
            text, traits = write_response(rng, prompt, behaviour, length * behaviour.length * prompt.length_scale)
            sample.responses[side].append(text)
            sample.traits[side].append(traits)
    return sample


def _draw_prompt_groups(count: int, repeated_fraction: float, generator: np.random.Generator) -> np.ndarray:
    """Return the number of each battle's prompt, so that the given fraction of battles share theirs with another."""
    left = round(count * repeated_fraction)
    sizes: list[int] = []
    largest = max(2, round(count * _LARGEST_GROUP_FRACTION))
    while left >= 2:
        size = min(largest, left, 2 + int(generator.pareto(1.7))) if sizes else min(largest, left)
        sizes.append(size)
        left -= size
    sizes += [1] * (count - sum(sizes))
    return generator.permutation(np.repeat(np.arange(len(sizes)), sizes))


def _draw_distinct_prompts(count: int, config: SimulationConfig, rng: Random) -> list[Prompt]:
    prompts: dict[str, Prompt] = {}
    while len(prompts) < count:
        prompt = draw_prompt(rng, config.other_language_fraction)
        while normalise_prompt(prompt.text) in prompts:
            prompt = add_situation(rng, prompt)
        prompts[normalise_prompt(prompt.text)] = prompt
    return list(prompts.values())


def _draw_pairs(count: int, generator: np.random.Generator) -> np.ndarray:
    """Return the indices of two different models per battle, well-known ones more often; shape (count, 2)."""
    n_models = len(load_texts().models)
    popularity = np.exp(-_POPULARITY_DECAY * np.arange(n_models))
    first = generator.choice(n_models, size=count, p=popularity / popularity.sum())
    second = (first + generator.integers(1, n_models, size=count)) % n_models
    swapped = generator.random(count) < 0.5
    return np.stack([np.where(swapped, second, first), np.where(swapped, first, second)], axis=1)
