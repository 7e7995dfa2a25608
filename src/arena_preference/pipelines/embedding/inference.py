"""Inference over the texts that the embedding store lacks: in shards and batches, on all devices at once."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from itertools import chain, cycle
from threading import Lock, local
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from arena_preference.datasets import EmbeddingShard, EmbeddingStore
from arena_preference.device import select_devices

from .autotuning import load_in_best_dtype
from .config import InferenceConfig
from .model_inputs import Conversation, PrefixedText, count_characters, make_input_keys
from .text_model import TextModel, Vectors, Window

logger = logging.getLogger(__name__)

Rows = npt.NDArray[np.intp]

# More threads would wait for Python's lock; with fewer, each gets several cores.
_MAX_CPU_WORKERS: Final = 16
# On a GPU one thread prepares a batch while the other's is computed.
_GPU_WORKERS: Final = 2
_OUT_OF_MEMORY: Final = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")


def embed_missing(
    store: EmbeddingStore,
    description: dict[str, Any],
    inputs: Sequence[PrefixedText] | Sequence[Conversation],
    load: Callable[[Sequence[torch.device], torch.dtype], TextModel],
    config: InferenceConfig,
    storage_dtype: str,
    loaded: dict[str, TextModel] | None = None,
) -> Iterator[EmbeddingShard]:
    """Run a model over the inputs whose vectors are not in the store, each distinct input once.

    The order of the inputs does not matter. If nothing is missing, the model is not loaded; a model that is loaded is
    kept in ``loaded``, by the kind of its vectors, if that is given.

    Raises:
        ValueError: If there are no inputs, or padding changes what the model computes.
        TimeoutError: If, at the current speed, the run would take longer than ``config.time_budget``.
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
    known = (loaded or {}).get(name)
    model = known or load_in_best_dtype(lambda dtype: load(devices, dtype), devices, config.dtype, collection.dtype)
    where = f"on {', '.join(map(str, devices))} in {model.dtype_name}"
    logger.info("%s: %d for the %s %s", texts, len(keys), name, where)
    throughput = Throughput(name)
    done = 0
    with Workers(model, config.workers, getattr(config.batch_tokens, devices[0].type)) as workers:
        if known is None:
            # In a worker, because a batch on one core does not wait for the other cores.
            workers.submit(model.check_padding).result()
        if loaded is not None:
            loaded[name] = model
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


class Throughput:
    """How much of its input a model has read, and how fast; logged at most every ``log_interval`` seconds."""

    def __init__(self, name: str, log_interval: float = 30.0) -> None:
        self.tokens = 0
        self.total_characters = 1.0
        self._characters = 0.0
        self._name = name
        self._log_interval = log_interval
        self._start = self._last_log = time.perf_counter()

    def add(self, characters: float, tokens: int) -> None:
        """Count a batch."""
        self._characters += characters
        self.tokens += tokens
        if time.perf_counter() - self._last_log >= self._log_interval:
            self._last_log = time.perf_counter()
            logger.info(
                "%s: %.0f %% done, %.0f tokens/s, about %s left",
                *(self._name, 100 * self._characters / self.total_characters, self.tokens / self.seconds),
                timedelta(seconds=round(self.expected_seconds - self.seconds)),
            )

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start

    @property
    def expected_seconds(self) -> float:
        """Seconds from start to end at the current speed."""
        return self.seconds * self.total_characters / max(self._characters, 1.0)


class Workers(ThreadPoolExecutor):
    """Threads that compute batches, each on one of the model's devices."""

    def __init__(self, model: TextModel, per_device: int | None, batch_tokens: int) -> None:
        """Start the threads.

        Args:
            model: The model that they run.
            per_device: Batches computed at the same time on each device; the default depends on the kind of device.
            batch_tokens: Maximum tokens of a batch, padding included; halved when a device runs out of memory.
        """
        self.batch_tokens = batch_tokens
        self._model = model
        self._lock = Lock()
        self._thread = local()
        self._torch_threads = torch.get_num_threads()
        kind = model.devices[0].type
        defaults = {"cuda": _GPU_WORKERS, "cpu": min(self._torch_threads, _MAX_CPU_WORKERS)}
        per_device = per_device or defaults.get(kind, 1)
        devices = cycle(model.devices)

        def start_thread() -> None:
            with self._lock:
                self._thread.device = next(devices)
            if kind == "cpu":
                # One batch on each core is faster than one on all cores, which would synchronise after every step.
                torch.set_num_threads(max(1, self._torch_threads // per_device))

        super().__init__(per_device * len(model.devices), initializer=start_thread)

    def __exit__(self, *_: object) -> None:
        self.shutdown(cancel_futures=True)
        torch.set_num_threads(self._torch_threads)

    def compute(self, windows: Sequence[Window]) -> Vectors:
        """Compute a batch in one of the threads, in halves if it exceeds the lowered budget or the device's memory."""
        size = len(windows) * max(map(self._model.padded_width, windows))
        if len(windows) == 1 or size <= self.batch_tokens:
            # A single text gets a second attempt, because another thread's batch may have filled the device.
            for _ in range(2 if len(windows) == 1 else 1):
                if (vectors := self._try(windows)) is not None:
                    return vectors
            if len(windows) == 1:
                raise MemoryError(
                    f"{self._thread.device} has too little memory for a single text of {size} tokens. Lower the "
                    "model's max_tokens in the parameters of the pipeline embedding, or use a smaller model or a "
                    "larger device."
                )
            self._lower_budget(size)
        middle = len(windows) // 2
        return np.concatenate([self.compute(windows[:middle]), self.compute(windows[middle:])])

    def _try(self, windows: Sequence[Window]) -> Vectors | None:
        """Compute a batch; None if the device runs out of memory."""
        device = self._thread.device
        try:
            return self._model.compute(windows, device)
        except RuntimeError as reason:
            if not any(phrase in str(reason).lower() for phrase in _OUT_OF_MEMORY):
                raise
        # Outside the except clause, because the error keeps the batch's memory alive.
        if device.type == "cuda":
            torch.cuda.empty_cache()
        return None

    def _lower_budget(self, size: int) -> None:
        with self._lock:
            # Another thread may have lowered it already.
            if size <= self.batch_tokens:
                self.batch_tokens = max(1, size // 2)
                logger.warning(
                    "%s has too little memory for a batch of %d tokens: continuing with at most %d",
                    *(self._thread.device, size, self.batch_tokens),
                )


def run_model(
    model: TextModel, inputs: Sequence[Any], workers: Workers, shard_characters: int, throughput: Throughput
) -> Iterator[tuple[Rows, Vectors]]:
    """Compute the vectors of inputs, shard by shard.

    While one shard is computed, the next is tokenised and the caller stores the previous one, so that no more than
    three shards are in memory. Vectors are reproducible if the order of the inputs depends on their contents alone.

    Yields:
        Rows of a shard's inputs, and their vectors, shape (rows, dimensions).
    """
    lengths = np.array([count_characters(part) for part in inputs])
    # What is truncated takes no time.
    read = np.minimum(lengths, model.max_characters)
    throughput.total_characters = max(float(read.sum()), 1.0)
    running: deque[_Shard] = deque()
    for rows in plan_shards(lengths, shard_characters):
        windows = model.tokenize([inputs[row] for row in rows])
        every_window = list(chain.from_iterable(windows))
        batches = list(plan_batches([model.padded_width(window) for window in every_window], workers.batch_tokens))
        futures = [workers.submit(workers.compute, [every_window[i] for i in batch]) for batch in batches]
        running.append(_Shard(rows, float(read[rows].sum()), windows, batches, futures))
        if len(running) > 1:
            yield _collect(model, running.popleft(), throughput)
    while running:
        yield _collect(model, running.popleft(), throughput)


class _Shard(NamedTuple):
    rows: Rows
    characters: float
    windows: list[list[Window]]
    """Of each input."""
    batches: list[list[int]]
    """Indices of all inputs' windows."""
    futures: "list[Future[Vectors]]"


def _collect(model: TextModel, shard: _Shard, throughput: Throughput) -> tuple[Rows, Vectors]:
    """Wait for the batches of a shard and return its rows and vectors."""
    tokens = np.array([len(window.tokens) for window in chain.from_iterable(shard.windows)])
    computed = []
    for batch, future in zip(shard.batches, shard.futures, strict=True):
        computed.append(future.result())
        throughput.add(shard.characters * tokens[batch].sum() / tokens.sum(), int(tokens[batch].sum()))
    vectors = np.concatenate(computed)[np.argsort(np.concatenate(shard.batches))]
    ends = np.cumsum([len(of_input) for of_input in shard.windows])
    combined = [
        model.combine(of_input, vectors[end - len(of_input) : end])
        for of_input, end in zip(shard.windows, ends, strict=True)
    ]
    return shard.rows, np.stack(combined)


def plan_shards(lengths: Sequence[int] | npt.NDArray[np.int64], shard_characters: int) -> Iterator[Rows]:
    """Group inputs of similar length, longest first.

    A shard is full as soon as it has ``shard_characters``, whatever follows. So a run that resumes after some shards
    were stored plans the others as before, and their vectors are the same.
    """
    shard: list[int] = []
    size = 0
    for row in np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable"):
        shard.append(row)
        # An empty text takes space, too.
        size += lengths[row] + 1
        if size >= shard_characters:
            yield np.array(shard)
            shard, size = [], 0
    if shard:
        yield np.array(shard)


def plan_batches(widths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Group windows of equal width, widest first, so that the first batch needs the most memory.

    A window of more than ``batch_tokens`` is a batch of its own.
    """
    batch: list[int] = []
    for index in np.argsort(-np.asarray(widths), kind="stable").tolist():
        width = widths[index]
        if batch and (width != widths[batch[0]] or (len(batch) + 1) * width > batch_tokens):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
