"""Seconds and peak memory of each node, under any runner.

Kedro calls ``after_node_run`` before a generator has done its work, and its ParallelRunner calls no node hooks. So each
node's function is decorated for the run, through Kedro's setter ``Node.func``: the decorated function runs wherever the
node does, also on another machine, and writes its profile to a file beside the manifests.
"""

import functools
import inspect
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from pathlib import PurePosixPath
from typing import Any

import psutil
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from arena_preference.datasets.atomic_write import atomic_write

from .storage import StoredPath

logger = logging.getLogger(__name__)

_SAMPLE_SECONDS = 0.02
_SUFFIX = ".json"


def start_profiling(pipeline: Pipeline, folder: StoredPath) -> None:
    """Decorate the functions of a pipeline's nodes; ``folder`` is this run's, and writable in all their processes."""
    folder.fs.makedirs(folder.path, exist_ok=True)
    for node in pipeline.nodes:
        profiled = _call_generator if inspect.isgeneratorfunction(node.func) else _call
        decorated = _Decorated(profiled, node.func, node.name, folder)
        _set_function(node, functools.update_wrapper(decorated, node.func))


def stop_profiling(pipeline: Pipeline, folder: StoredPath) -> dict[str, tuple[float, int]]:
    """Restore the functions, and return seconds and peak memory (bytes) of each node that succeeded or failed.

    For a node that ran in partitions, these are the sum of the seconds and the maximum of the peaks. The folder is
    removed, unless workers that outlive a failed run still write to it; then it goes with the run's manifest.
    """
    for node in pipeline.nodes:
        if isinstance(node.func, _Decorated):
            _set_function(node, node.func.args[0])
    profiles: dict[str, tuple[float, int]] = {}
    if folder.exists():
        # A profile that is still being written has another suffix.
        for path in folder.fs.glob(f"{folder.path}/*{_SUFFIX}"):
            name = PurePosixPath(path).name.removesuffix(_SUFFIX).rpartition(".")[0]
            seconds, memory = json.loads(folder.fs.cat_file(path))
            seconds_before, memory_before = profiles.get(name, (0.0, 0))
            profiles[name] = round(seconds_before + seconds, 3), max(memory_before, memory)
        with suppress(OSError):
            folder.remove()
    return profiles


class _Decorated(functools.partial):
    """A partial, unlike a closure, can be pickled, and Kedro sees whether it is a generator function.

    A subclass, because multiprocessing pickles a plain partial without its ``__name__``, which Kedro needs.
    """


def _set_function(node: Node, function: Callable[..., Any]) -> None:
    node.inputs  # noqa: B018 - the setter deletes this cached property, and fails if it is not cached
    node.func = function


def _call(function: Callable[..., Any], node: str, folder: StoredPath, *args: Any, **kwargs: Any) -> Any:
    with _profile(node, folder):
        return function(*args, **kwargs)


def _call_generator(
    function: Callable[..., Iterator[Any]], node: str, folder: StoredPath, *args: Any, **kwargs: Any
) -> Iterator[Any]:
    with _profile(node, folder):
        yield from function(*args, **kwargs)


@contextmanager
def _profile(node: str, folder: StoredPath) -> Iterator[None]:
    """Write a node's seconds and peak memory to a file, and log them if it succeeds."""
    start, is_over, has_failed = time.perf_counter(), threading.Event(), True
    with ThreadPoolExecutor(max_workers=1) as pool:
        peak = pool.submit(_sample_memory, is_over)
        try:
            yield
            has_failed = False
        finally:
            is_over.set()
            seconds = round(time.perf_counter() - start, 3)
            # The node's own error is the one to show, even if the disk is full.
            with (
                suppress(OSError) if has_failed else nullcontext(),
                atomic_write(folder.fs, f"{folder.path}/{node}.{uuid.uuid4().hex}{_SUFFIX}") as file,
            ):
                file.write(json.dumps([seconds, peak.result()]).encode())
    logger.info("%-45s %8.1f s %5.1f GiB", node, seconds, peak.result() / 2**30)


def _sample_memory(is_over: threading.Event) -> int:
    """Return the peak resident set of this process until the event, in bytes."""
    process, peak, is_last = psutil.Process(), 0, False
    while not is_last:
        is_last = is_over.wait(_SAMPLE_SECONDS)
        peak = max(peak, process.memory_info().rss)
    return peak
