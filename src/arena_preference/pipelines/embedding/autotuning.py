"""Autotuning of a model's dtype: bfloat16 on a CPU if it is faster there and accurate enough."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch

from arena_preference.device import RequestedDtype, select_dtype

from .text_model import TextModel

logger = logging.getLogger(__name__)

MIN_COSINE: Final = 0.999
_REPETITIONS: Final = 3
# Short and long texts, prose, code, numbers and several scripts.
_SAMPLE_TEXTS: Final = (
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


def compare_models(exact: TextModel, rounded: TextModel) -> tuple[float, float]:
    """Compare two copies of a model on a few texts, on one core, as in a worker.

    Returns:
        Minimum cosine similarity of their vectors (of scores: their correlation), -1 if a number is not finite; and the
        speed-up of the second copy.
    """
    models = (exact, rounded)
    windows = [of_text[0] for of_text in exact.tokenize([exact.make_input(text) for text in _SAMPLE_TEXTS])]
    seconds = [np.inf, np.inf]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        vectors = [model.compute(windows, model.devices[0]) for model in models]
        # The best of alternating repetitions, so that other processes matter little.
        for _ in range(_REPETITIONS):
            for index, model in enumerate(models):
                start = time.perf_counter()
                model.compute(windows, model.devices[0])
                seconds[index] = min(seconds[index], time.perf_counter() - start)
    except FloatingPointError:
        return -1.0, 0.0
    finally:
        torch.set_num_threads(threads)
    if vectors[0].shape[1] == 1:
        vectors = [(scores - scores.mean()).T for scores in vectors]
    a, b = (torch.from_numpy(part) for part in vectors)
    return float(torch.nn.functional.cosine_similarity(a, b).min()), seconds[0] / seconds[1]


def load_in_best_dtype(
    load: Callable[[torch.dtype], TextModel],
    devices: Sequence[torch.device],
    requested: RequestedDtype,
    stored: str | None,
    compare: Callable[[TextModel, TextModel], tuple[float, float]] = compare_models,
) -> TextModel:
    """Load a model in the requested dtype, or in the best one for ``auto``.

    On a CPU with bfloat16 instructions, ``auto`` compares bfloat16 with float32 on a few texts, unless the store has
    vectors already: a collection keeps the dtype that it was started in (``stored``), so that the load on a machine
    does not change the results of a later run.
    """
    dtype = select_dtype(devices, requested)
    if requested != "auto" or devices[0].type != "cpu" or dtype == torch.float32:
        return load(dtype)
    if stored in ("bfloat16", "float32"):
        return load(getattr(torch, stored))
    exact, rounded = load(torch.float32), load(dtype)
    cosine, speed_up = compare(exact, rounded)
    chosen = rounded if cosine >= MIN_COSINE and speed_up > 1 else exact
    logger.info(
        "%s: minimum cosine similarity to float32 %.4f, %.1f times as fast; using %s",
        *(rounded.dtype_name, cosine, speed_up, chosen.dtype_name),
    )
    return chosen
