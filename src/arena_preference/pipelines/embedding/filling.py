"""How a space of the embedding store is filled with what it lacks."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from arena_preference.datasets import EmbeddingShard, EmbeddingStore
from arena_preference.device import select_devices

from .config import InferenceConfig
from .inference import Tally, Workers, run_model
from .inputs import Conversation, PrefixedText, count_input_characters, make_input_keys
from .models import TextModel
from .precision import load_model

logger = logging.getLogger(__name__)


def fill_space(
    store: EmbeddingStore,
    description: dict[str, Any],
    inputs: Sequence[PrefixedText] | Sequence[Conversation],
    load: Callable[[Sequence[torch.device], torch.dtype], TextModel[Any]],
    options: InferenceConfig,
    stored_as: np.dtype[Any],
) -> Iterator[EmbeddingShard]:
    """Run a model over those inputs whose vectors a space lacks, each distinct input once.

    The order of the inputs does not matter. Where nothing is lacking, the model is not even loaded.

    Args:
        store: What is there.
        description: The space's description.
        inputs: Any number of inputs, repeated or not.
        load: Loads the model on devices in a precision.
        options: Parameters ``embedding.inference``.
        stored_as: Type of the stored vectors.

    Yields:
        Shards for the store.

    Raises:
        ValueError: If there are no inputs.
        TimeoutError: If, going by what is done, all of it would take longer than the options allow.
        FloatingPointError: If a vector does not fit the type in which it is to be stored.
    """
    if not inputs:
        raise ValueError("There are no battles to embed. Look for the reason in rejected_rows of the same split.")
    # In the order of the keys, and so independent of the order of the battles.
    keys, places = np.unique(make_input_keys(inputs), return_index=True)
    space = store.open_collection(description)
    missing = ~space.holds(keys)
    texts = f"{len(inputs)} texts, {len(keys)} of them distinct, {len(keys) - missing.sum()} of those in the store"
    if not missing.any():
        logger.info("%s: nothing to do for the %s", texts, description["kind"])
        return
    keys, places = keys[missing], places[missing]
    devices = select_devices(options.device)
    model = load_model(lambda dtype: load(devices, dtype), devices, options.precision, space.dtype)
    names = ", ".join(map(str, devices))
    logger.info("%s: %d for the %s on %s in %s", texts, len(keys), description["kind"], names, model.precision)
    wanted = [inputs[place] for place in places]
    tally = Tally()
    with Workers(model, options.workers, getattr(options.batch_tokens, devices[0].type)) as workers:
        lengths = np.array([count_input_characters(part) for part in wanted])
        done = 0
        for rows, vectors in run_model(model, wanted, lengths.tolist(), workers, options.shard_characters, tally):
            largest = np.abs(vectors).max()
            if largest > np.finfo(stored_as).max:
                raise FloatingPointError(
                    f"Vectors with entries of {largest:.3g} do not fit {stored_as}. Set "
                    "embedding.encoder.storage_dtype to float32."
                )
            yield EmbeddingShard(description, model.precision, keys[rows], vectors.astype(stored_as))
            done += int(lengths[rows].sum())
            hours = tally.seconds / 3600 * int(lengths.sum()) / max(done, 1)
            if options.time_budget is not None and hours > options.time_budget and tally.texts < len(keys):
                raise TimeoutError(
                    f"The {description['kind']} would take {hours:.3g} hours for {len(keys)} texts on {names}, and "
                    f"embedding.inference.time_budget allows {options.time_budget:g}. Allow more, use a faster device "
                    "or a smaller model. What is done is stored, and another run goes on from there."
                )
    logger.info(
        "%s; the other %d of %d tokens done in %.1f s on %s in %s, %.0f tokens/s",
        *(texts, tally.texts, tally.tokens, tally.seconds, names, model.precision, tally.tokens / tally.seconds),
    )
