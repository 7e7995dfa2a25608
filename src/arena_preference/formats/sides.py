"""Sides of two responses that are known as the better and the worse one."""

import json
from hashlib import blake2b

from .cells import Turns
from .format import Battle, ExcludedRowError


def draw_sides(
    better: Turns,
    worse: Turns,
    *,
    is_tie: bool = False,
    better_model: str | None = None,
    worse_model: str | None = None,
) -> Battle:
    """Both responses, the label, and the models if known, of a battle whose better response is A in half of the cases.

    The draw is a hash of the two responses, whichever is the better one: the same two have the same sides everywhere.

    Raises:
        ExcludedRowError: If the responses are the same, so that no side can be the better one.
    """
    if better == worse and not is_tie:
        raise ExcludedRowError("both responses are the same")
    texts = [json.dumps(better), json.dumps(worse)]
    digest = blake2b("\n".join(sorted(texts)).encode(), digest_size=1).digest()
    is_better_first = (texts[0] < texts[1]) == (digest[0] % 2 == 0)
    sides = [(better, better_model), (worse, worse_model)]
    (response_a, model_a), (response_b, model_b) = sides if is_better_first else sides[::-1]
    models = {"model_a": model_a, "model_b": model_b}
    return {
        "response_a": response_a,
        "response_b": response_b,
        "label": (0.0, 0.0, 1.0) if is_tie else (1.0, 0.0, 0.0) if is_better_first else (0.0, 1.0, 0.0),
        **{name: model for name, model in models.items() if model is not None},
    }
