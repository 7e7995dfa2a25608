"""The irregularities of real exports, each about as frequent as in the competition's data, at least once per split."""

import numpy as np

from .answers import Traits
from .drafts import LONGEST_BATTLE, Draft
from .draws import Draws

_REAL_BATTLES = 57_477
_LOOP_LENGTH = 50_000  # characters
_HALF_EMOJI = ("\ud83d", "\ud83e", "\ude0a")
_ASKS_BACK = (
    "It looks as if your message was empty. What would you like to know?",
    "I received no text. Could you send your question once more?",
)
_GUESSES = (
    "The capital of the country is its largest city, and the river flows through it from north to south.",
    "Here is the poem that you wanted:\n\nThe moon is up, the kettle sings,\nand no one knows what morning brings.",
)


def add_quirks(drafts: list[Draft], draws: Draws, generator: np.random.Generator) -> list[Draft]:
    """Put the irregularities in; no battle gets two of them.

    Returns:
        The drafts in the same order. An exact duplicate is the very same object in two places.
    """
    free = [
        place for place in generator.permutation(len(drafts)).tolist() if len(drafts[place].prompt) < LONGEST_BATTLE
    ]

    def take(real_count: int, at_least: int = 1) -> list[int]:
        count = max(at_least, round(len(drafts) * real_count / _REAL_BATTLES))
        return [free.pop() for _ in range(count)]

    for place in take(92):
        _remove_answer(drafts[place], (0,), None, draws)
    for place in take(101):
        _remove_answer(drafts[place], (1,), None, draws)
    for place in take(19):
        _remove_answer(drafts[place], (0, 1), None, draws)
    for place in take(60, at_least=2):
        _remove_answer(drafts[place], (draws.integer(0, 1),), "", draws)
    for place in take(5):
        _empty_prompt(drafts[place], draws)
    # About half of identical answers are not judged a tie, and 22 such rows are known.
    for place in take(44, at_least=4):
        _copy_answer(drafts[place])
    for place in take(40, at_least=2):
        _break_emoji(drafts[place], draws)
    for place in take(1):
        _loop_answer(drafts[place], draws.integer(0, 1))
    quirky = list(drafts)
    for place in take(100):
        quirky[place] = drafts[free.pop()]
    return quirky


def _remove_answer(draft: Draft, sides: tuple[int, ...], remainder: str | None, draws: Draws) -> None:
    turn = draws.integer(0, len(draft.prompt) - 1)
    for side in sides:
        draft.answers[side][turn] = remainder
        draft.traits[side][turn] = Traits(missing=1.0)


def _empty_prompt(draft: Draft, draws: Draws) -> None:
    draft.prompt[:] = [""]
    for side in (0, 1):
        asks_back = draws.chance(0.6)
        draft.answers[side][:] = [draws.pick(_ASKS_BACK if asks_back else _GUESSES)]
        draft.traits[side][:] = [Traits(coverage=1.0, off_topic=float(not asks_back))]


def _copy_answer(draft: Draft) -> None:
    draft.answers[1][:] = draft.answers[0]
    draft.traits[1][:] = draft.traits[0]


def _break_emoji(draft: Draft, draws: Draws) -> None:
    """Leave half of a surrogate pair where an emoji was cut."""
    half = draws.pick(_HALF_EMOJI)
    side = draws.integer(0, 2)
    if side == 2:
        draft.prompt[-1] += f" {half}"
    else:
        draft.answers[side][-1] = f"{draft.answers[side][-1]} {half}"


def _loop_answer(draft: Draft, side: int) -> None:
    """Let a chatbot repeat its last answer until it is stopped."""
    text = draft.answers[side][-1] or ""
    draft.answers[side][-1] = "\n\n".join([text] * (_LOOP_LENGTH // (len(text) + 2) + 1))[:_LOOP_LENGTH]
    draft.traits[side][-1] = draft.traits[side][-1]._replace(repetition=1.0, truncation=1.0)
