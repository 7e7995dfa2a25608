"""The precision of a model: what its devices are made for, if a trial confirms it."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch

from arena_preference.device import RequestedDtype, select_dtype

from .models import TextModel

logger = logging.getLogger(__name__)

LEAST_COSINE: Final = 0.999
_ROUNDS: Final = 3
# Short and long, prose, code, figures and other scripts: what a rounding error would meet in battles.
_CHECK_TEXTS: Final = (
    "",
    "What is the capital of France?",
    "Paris is the capital of France, and its largest city by far.",
    "def mean(values):\n    return sum(values) / len(values)\n",
    "1. Heat the oven to 180 °C.\n2. Mix 250 g of flour, 3 eggs and 0.5 l of milk.\n3. Bake for 40 minutes.",
    "Die Katze sitzt auf der Matte. 猫はマットの上に座っています。 Кошка сидит на коврике.",
    "I'm sorry, but I cannot help with that request. " * 12,
    "The sea was calm that morning, and nobody in the village thought of the storm that had taken three boats in "
    "March. The children ran down to the harbour, counted the masts and argued about which of them was the tallest. "
    * 4,
)


def load_model(
    make: Callable[[torch.dtype], TextModel[Any]],
    devices: Sequence[torch.device],
    requested: RequestedDtype,
    stored: str | None,
) -> TextModel[Any]:
    """Load a model in the precision that was asked for, or in the one to take where none was.

    On a CPU, bfloat16 is tried on a handful of texts first: where it is not faster than float32, or a cosine to
    float32's vectors is below ``LEAST_COSINE``, float32 is taken. The trial is made once for a space of the embedding
    store, which then goes on in the precision that it was begun in: the load on a machine does not change what a later
    run computes.

    Args:
        make: Loads the model in a given precision.
        devices: What ``select_devices`` gave.
        requested: Parameter ``embedding.inference.precision``.
        stored: The precision in which the space was begun, if it was.

    Returns:
        The model.
    """
    dtype = select_dtype(devices, requested)
    if requested != "auto" or devices[0].type != "cpu" or dtype == torch.float32:
        return make(dtype)
    if stored in ("bfloat16", "float32"):
        return make(getattr(torch, stored))
    exact, rounded = make(torch.float32), make(dtype)
    cosine, speed_up = compare_models(exact, rounded)
    chosen = rounded if cosine >= LEAST_COSINE and speed_up > 1 else exact
    logger.info(
        "In %s, cosines to float32 are at least %.4f, and it is %.1f times as fast: %s is used",
        *(rounded.precision, cosine, speed_up, chosen.precision),
    )
    return chosen


def compare_models(exact: TextModel[Any], rounded: TextModel[Any]) -> tuple[float, float]:
    """Compare two copies of a model on a handful of texts, on one core each, as a worker has it.

    Returns:
        The least cosine between their vectors (for scores: the correlation of the scores), -1 where one is not finite;
        and how many times as fast the second is.
    """
    models = (exact, rounded)
    windows = [of_text[0] for of_text in exact.tokenize([exact.wrap(text) for text in _CHECK_TEXTS])]
    seconds = [np.inf, np.inf]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        vectors = [model.compute(windows, model.devices[0]) for model in models]
        # The best of several turns, so that what else the machine does counts for little.
        for _ in range(_ROUNDS):
            for place, model in enumerate(models):
                start = time.perf_counter()
                model.compute(windows, model.devices[0])
                seconds[place] = min(seconds[place], time.perf_counter() - start)
    except FloatingPointError:
        return -1.0, 0.0
    finally:
        torch.set_num_threads(threads)
    if vectors[0].shape[1] == 1:
        vectors = [(scores - scores.mean()).T for scores in vectors]
    a, b = (torch.from_numpy(part) for part in vectors)
    return float(torch.nn.functional.cosine_similarity(a, b).min()), seconds[0] / seconds[1]
