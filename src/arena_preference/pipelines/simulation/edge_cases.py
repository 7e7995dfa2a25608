"""Edge cases of real exports, each about as frequent as in the competition's data and at least once per split."""

import numpy as np

from .responses import Traits
from .rng import Random
from .sampling import MAX_TURNS, Sample
from .texts import load_texts

_REAL_BATTLES = 57_477
_LOOP_LENGTH = 50_000  # characters
_HALF_EMOJI = ("\ud83d", "\ud83e", "\ude0a")


def add_edge_cases(samples: list[Sample], generator: np.random.Generator) -> list[Sample]:
    """Turn some battles of one split, in place, into edge cases; no battle becomes two of them.

    Returns:
        The battles in the same order. An exact duplicate is the very same object at two positions.
    """
    rng = Random(generator)
    order = generator.permutation(len(samples)).tolist()
    free = [index for index in order if len(samples[index].prompt) < MAX_TURNS]

    def take(real_count: int, at_least: int = 1) -> list[int]:
        return [free.pop() for _ in range(max(at_least, round(len(samples) * real_count / _REAL_BATTLES)))]

    for index in take(92):
        _replace_turn(samples[index], (0,), None, rng)
    for index in take(101):
        _replace_turn(samples[index], (1,), None, rng)
    for index in take(19):
        _replace_turn(samples[index], (0, 1), None, rng)
    for index in take(60, at_least=2):
        _replace_turn(samples[index], (rng.integer(0, 1),), "", rng)
    for index in take(5):
        _empty_prompt(samples[index], rng)
    # About half of the identical responses are not labelled a tie, and 22 such rows are known.
    for index in take(44, at_least=4):
        samples[index].responses[1][:] = samples[index].responses[0]
        samples[index].traits[1][:] = samples[index].traits[0]
    for index in take(40, at_least=2):
        _break_emoji(samples[index], rng)
    for index in take(1):
        _loop_response(samples[index], rng.integer(0, 1))
    result = list(samples)
    for index in take(100):
        result[index] = samples[free.pop()]
    return result


def _replace_turn(sample: Sample, sides: tuple[int, ...], text: str | None, rng: Random) -> None:
    turn = rng.integer(0, len(sample.prompt) - 1)
    for side in sides:
        sample.responses[side][turn] = text
        sample.traits[side][turn] = Traits(missing=1.0)


def _empty_prompt(sample: Sample, rng: Random) -> None:
    sample.prompt[:] = [""]
    details = load_texts().details
    for side in (0, 1):
        asks_back = rng.chance(0.6)
        sample.responses[side][:] = [rng.choice(details.clarifications if asks_back else details.guesses)]
        sample.traits[side][:] = [Traits(coverage=1.0, off_topic=float(not asks_back))]


def _break_emoji(sample: Sample, rng: Random) -> None:
    """Append half of a surrogate pair, as if an emoji had been cut."""
    half = rng.choice(_HALF_EMOJI)
    field = rng.integer(0, 2)
    if field == 2:
        sample.prompt[-1] += f" {half}"
    else:
        sample.responses[field][-1] = f"{sample.responses[field][-1]} {half}"


def _loop_response(sample: Sample, side: int) -> None:
    """Let a model repeat its last turn until it is stopped."""
    text = sample.responses[side][-1] or ""
    sample.responses[side][-1] = "\n\n".join([text] * (_LOOP_LENGTH // (len(text) + 2) + 1))[:_LOOP_LENGTH]
    sample.traits[side][-1] = sample.traits[side][-1]._replace(repetition=1.0, truncation=1.0)
