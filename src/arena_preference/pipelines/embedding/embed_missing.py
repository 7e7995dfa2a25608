"""The vectors that a collection of the embedding store lacks."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from arena_preference.datasets import EmbeddingShard, EmbeddingStore
from arena_preference.device import select_devices

from .autotuning import load_in_best_dtype
from .config import InferenceConfig
from .inference import Throughput, Workers, run_model
from .model_inputs import Conversation, PrefixedText, make_input_keys
from .text_model import TextModel

logger = logging.getLogger(__name__)


def embed_missing(
    store: EmbeddingStore,
    description: dict[str, Any],
    inputs: Sequence[PrefixedText] | Sequence[Conversation],
    load: Callable[[Sequence[torch.device], torch.dtype], TextModel],
    config: InferenceConfig,
    storage_dtype: str,
) -> Iterator[EmbeddingShard]:
    """Run a model over the inputs whose vectors are not in the store, each distinct input once.

    The order of the inputs does not matter. If nothing is missing, the model is not loaded.

    Args:
        store: The embedding store.
        description: Description of the collection.
        inputs: Inputs of the model, may be repeated.
        load: Loads the model on devices in a dtype.
        config: Parameters ``embedding.inference``.
        storage_dtype: Type of the stored vectors.

    Yields:
        Shards for the store.

    Raises:
        ValueError: If there are no inputs.
        TimeoutError: If, at the present speed, all of it would take longer than ``config.time_budget``.
        FloatingPointError: If a vector overflows ``storage_dtype``.
    """
    if not inputs:
        raise ValueError("There are no battles to embed. rejected_rows of the same split says why.")
    # Sorted by key, and so independent of the order of the battles.
    keys, first = np.unique(make_input_keys(inputs), return_index=True)
    collection = store.open_collection(description)
    missing = ~collection.holds(keys)
    texts = f"{len(inputs)} texts, {len(keys)} of them distinct, {len(keys) - missing.sum()} of those in the store"
    name = description["kind"]
    if not missing.any():
        logger.info("%s: nothing to do for the %s", texts, name)
        return
    keys, wanted = keys[missing], [inputs[row] for row in first[missing]]
    devices = select_devices(config.device)
    model = load_in_best_dtype(lambda dtype: load(devices, dtype), devices, config.dtype, collection.dtype)
    where = f"on {', '.join(map(str, devices))} in {model.dtype_name}"
    logger.info("%s: %d for the %s %s", texts, len(keys), name, where)
    throughput = Throughput(name)
    done = 0
    with Workers(model, config.workers, getattr(config.batch_tokens, devices[0].type)) as workers:
        for rows, vectors in run_model(model, wanted, workers, config.shard_characters, throughput):
            largest = np.abs(vectors).max()
            if largest > np.finfo(storage_dtype).max:
                raise FloatingPointError(
                    f"Vectors with entries of {largest:.3g} overflow {storage_dtype}. Set "
                    "embedding.encoder.storage_dtype to float32."
                )
            yield EmbeddingShard(description, model.dtype_name, keys[rows], vectors.astype(storage_dtype))
            done += len(rows)
            hours = throughput.expected_seconds / 3600
            if config.time_budget is not None and hours > config.time_budget and done < len(keys):
                raise TimeoutError(
                    f"The {name} would take {hours:.3g} hours for {len(keys)} texts {where}, and "
                    f"embedding.inference.time_budget is {config.time_budget:g}. Raise it, or use a faster device or a "
                    "smaller model. Finished vectors are stored, and another run resumes from there."
                )
    seconds = throughput.seconds
    logger.info(
        "%s: %d texts, %d tokens in %.1f s %s, %.0f tokens/s",
        *(name, done, throughput.tokens, seconds, where, throughput.tokens / seconds),
    )
