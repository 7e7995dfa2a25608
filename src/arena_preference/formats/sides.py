"""Sides of two responses whose order in the file tells which is the better one."""

import json
from hashlib import blake2b
from typing import Final

from .cells import Label, Turns
from .format import Battle, ExcludedRowError

_EXCHANGED: Final = {"response_a": "response_b", "model_a": "model_b"}


def label_pair(better: Turns, worse: Turns, *, is_tie: bool = False) -> dict[str, Turns | Label]:
    """Both responses and the label of a battle whose better response, or of a tie the first one, is A.

    Raises:
        ExcludedRowError: If the responses are the same, so that no side can be the better one.
    """
    if better == worse and not is_tie:
        raise ExcludedRowError("both responses are the same")
    return {"response_a": better, "response_b": worse, "label": (0.0, 0.0, 1.0) if is_tie else (1.0, 0.0, 0.0)}


def draw_sides(battle: Battle) -> Battle:
    """The battle, or in half of the cases the battle with its sides exchanged.

    The draw is a hash of the two responses, whatever their order and label: the same two have the same sides
    everywhere.
    """
    texts = [json.dumps(battle["response_a"]), json.dumps(battle["response_b"])]
    digest = blake2b("\n".join(sorted(texts)).encode(), digest_size=1).digest()
    if (texts[0] < texts[1]) == (digest[0] % 2 == 0):
        return battle
    names = _EXCHANGED | {b: a for a, b in _EXCHANGED.items()}
    a, b, tie = battle["label"]
    return {**{names.get(name, name): value for name, value in battle.items()}, "label": (b, a, tie)}
