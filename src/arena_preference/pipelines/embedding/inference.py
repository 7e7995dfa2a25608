"""Many texts through a model: in shards, in batches of like length, on every device at once."""

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from threading import Lock, local
from types import TracebackType
from typing import Any, Final, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from .models import TextModel, Vectors
from .windows import Window

logger = logging.getLogger(__name__)

Input = TypeVar("Input")
Rows = npt.NDArray[np.intp]

# More threads than this wait for Python's lock rather than compute; each then gets several cores.
_MOST_CPU_WORKERS: Final = 16
# On a GPU one thread prepares a batch while the other's is computed.
_GPU_WORKERS: Final = 2
_OUT_OF_MEMORY: Final = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")


@dataclass
class Tally:
    """What a run through a model amounted to."""

    texts: int = 0
    tokens: int = 0
    seconds: float = 0.0


class Workers(Generic[Input]):
    """Threads that compute batches, each bound to one of the model's devices."""

    def __init__(self, model: TextModel[Input], per_device: int | None, batch_tokens: int) -> None:
        """Start the threads.

        Args:
            model: It has a copy of its weights on each of its devices.
            per_device: Batches under way at a time on each device; None lets the kind of device decide.
            batch_tokens: Most tokens of a batch, padding included. Halved whenever a device's memory does not hold it.
        """
        self.batch_tokens = batch_tokens
        self._model = model
        self._lock = Lock()
        self._own = local()
        self._torch_threads = torch.get_num_threads()
        kind = model.devices[0].type
        own_choice = {"cuda": _GPU_WORKERS, "cpu": min(self._torch_threads, _MOST_CPU_WORKERS)}
        per_device = per_device or own_choice.get(kind, 1)
        devices = cycle(model.devices)

        def start_thread() -> None:
            with self._lock:
                self._own.device = next(devices)
            if kind == "cpu":
                # One batch on each core is faster than one batch on all of them, which have to meet after every step.
                torch.set_num_threads(max(1, self._torch_threads // per_device))

        self._pool = ThreadPoolExecutor(per_device * len(model.devices), initializer=start_thread)

    def submit(self, windows: Sequence[Window]) -> "Future[Vectors]":
        """Compute a batch as soon as a thread is free."""
        return self._pool.submit(self._compute, windows)

    def _compute(self, windows: Sequence[Window]) -> Vectors:
        """Compute a batch; in halves if it is larger than the budget has become, or than the memory holds."""
        size = len(windows) * max(map(self._model.measure_width, windows))
        if len(windows) == 1:
            vectors = self._try(windows)
            if vectors is None:
                # Another thread's batch may have filled the device.
                vectors = self._try(windows)
            if vectors is None:
                raise MemoryError(
                    f"{self._own.device} has no room for a single text of {size} tokens. Lower max_tokens of the model "
                    "in the parameters of the pipeline embedding, or choose a smaller model or a larger device."
                )
            return vectors
        if size <= self.batch_tokens:
            vectors = self._try(windows)
            if vectors is not None:
                return vectors
            self._lower_budget(size)
        middle = len(windows) // 2
        return np.concatenate([self._compute(windows[:middle]), self._compute(windows[middle:])])

    def _try(self, windows: Sequence[Window]) -> Vectors | None:
        """Compute a batch; None if the device's memory does not hold it."""
        device = self._own.device
        try:
            return self._model.compute(windows, device)
        except RuntimeError as reason:
            if not _is_out_of_memory(reason):
                raise
        # Not before the error is gone, which holds what the batch had taken.
        if device.type == "cuda":
            torch.cuda.empty_cache()
        return None

    def _lower_budget(self, size: int) -> None:
        with self._lock:
            # Another thread may have met the same limit in the meantime.
            if size <= self.batch_tokens:
                self.batch_tokens = max(1, size // 2)
                logger.warning(
                    "%s has no room for a batch of %d tokens: going on with %d",
                    *(self._own.device, size, self.batch_tokens),
                )

    def __enter__(self) -> "Workers[Input]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._torch_threads)


def run_model(
    model: TextModel[Input],
    inputs: Sequence[Input],
    lengths: Sequence[int],
    workers: Workers[Input],
    shard_characters: int,
    tally: Tally,
) -> Iterator[tuple[Rows, Vectors]]:
    """Give the vectors of inputs, shard by shard.

    While one shard is computed, the next is tokenised and the one before is in the hands of the caller. At no time are
    there vectors of more than three shards in memory.

    Args:
        model: What reads the inputs.
        inputs: Distinct inputs, in an order that follows from their contents alone.
        lengths: Characters of each.
        workers: Threads that compute.
        shard_characters: Size of a shard.
        tally: Counts what is done.

    Yields:
        The rows of a shard's inputs and their vectors, shape (rows, dimensions).
    """
    start = time.perf_counter()
    under_way: deque[_Shard] = deque()
    bar = tqdm(total=sum(lengths), unit="char", unit_scale=True, desc="0 tokens/s", disable=None, leave=False)

    def advance(characters: float, _: "Future[Vectors]") -> None:
        bar.update(characters)

    def finish(shard: "_Shard") -> tuple[Rows, Vectors]:
        vectors = shard.collect(model)
        tally.texts += len(shard.rows)
        tally.tokens += shard.tokens
        tally.seconds = time.perf_counter() - start
        bar.set_description(f"{tally.texts} of {len(inputs)} texts, {tally.tokens / tally.seconds:.0f} tokens/s")
        return shard.rows, vectors

    with bar:
        for rows in plan_shards(lengths, shard_characters):
            shard = _Shard(model, rows, model.tokenize([inputs[row] for row in rows]), workers)
            characters = sum(lengths[row] for row in rows)
            for batch in shard.batches:
                batch.future.add_done_callback(partial(advance, characters * batch.tokens / shard.tokens))
            under_way.append(shard)
            if len(under_way) > 1:
                yield finish(under_way.popleft())
        while under_way:
            yield finish(under_way.popleft())


class _Batch(NamedTuple):
    windows: list[int]
    """Places of its windows among those of the shard."""
    tokens: int
    future: "Future[Vectors]"


class _Shard:
    """The inputs of one shard, on their way through the workers."""

    def __init__(self, model: TextModel[Any], rows: Rows, windows: list[list[Window]], workers: Workers[Any]) -> None:
        self.rows = rows
        self._windows = windows
        every_window = [window for of_input in windows for window in of_input]
        lengths = [len(window.tokens) for window in every_window]
        widths = [model.measure_width(window) for window in every_window]
        self.tokens = sum(lengths)
        self.batches = [
            _Batch(places, sum(lengths[place] for place in places), workers.submit([every_window[i] for i in places]))
            for places in plan_batches(widths, workers.batch_tokens)
        ]

    def collect(self, model: TextModel[Input]) -> Vectors:
        """Wait for the batches and put the windows' vectors together."""
        order = np.concatenate([batch.windows for batch in self.batches])
        vectors = np.concatenate([batch.future.result() for batch in self.batches])[np.argsort(order)]
        ends = np.cumsum([len(of_input) for of_input in self._windows])
        return np.stack(
            [
                model.combine(of_input, vectors[end - len(of_input) : end])
                for of_input, end in zip(self._windows, ends, strict=True)
            ]
        )


def plan_shards(lengths: Sequence[int], shard_characters: int) -> Iterator[Rows]:
    """Group inputs of like length, longest first.

    A shard ends as soon as it has reached its size, whatever comes after it: when some of the shards are stored and the
    others are planned again without them, they come out the same, and so do their vectors.

    Args:
        lengths: Characters of each input.
        shard_characters: Size from which on a shard is full.

    Yields:
        Rows of the inputs of one shard.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    shard: list[int] = []
    size = 0
    for row in order:
        shard.append(row)
        # An empty text takes room as well.
        size += lengths[row] + 1
        if size >= shard_characters:
            yield np.array(shard)
            shard, size = [], 0
    if shard:
        yield np.array(shard)


def plan_batches(widths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Group windows of one width, widest first, so that the first batch needs the most memory.

    Args:
        widths: Tokens of each window with what it is padded by.
        batch_tokens: Most tokens of a batch; a single longer window is a batch of its own.

    Yields:
        Places of the windows of one batch.
    """
    batch: list[int] = []
    for place in np.argsort(-np.asarray(widths), kind="stable").tolist():
        width = widths[place]
        if batch and (width != widths[batch[0]] or (len(batch) + 1) * width > batch_tokens):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _is_out_of_memory(error: RuntimeError) -> bool:
    return any(phrase in str(error).lower() for phrase in _OUT_OF_MEMORY)
