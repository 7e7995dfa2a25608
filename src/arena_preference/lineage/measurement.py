"""Seconds and memory of each node, under any runner.

Kedro calls hooks in the process that runs a node, and under a runner that spawns processes it calls none. A node's
function, however, travels to wherever it runs. So the measurement is wrapped around the function, and leaves what it
found in a file.
"""

import functools
import inspect
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from kedro.pipeline import Pipeline

_SAMPLE_SECONDS = 0.02


class NodeMeasurements:
    """Measures the nodes of a pipeline from ``start`` to ``stop``."""

    def __init__(self, pipeline: Pipeline, journal: Path) -> None:
        """Take the nodes to measure.

        Args:
            pipeline: What is going to run.
            journal: A local file, written to by every process that runs a node.
        """
        self._functions = [(node, node.func) for node in pipeline.nodes]
        self._journal = journal

    def start(self) -> None:
        """Wrap the functions."""
        for node, function in self._functions:
            measured = _measure_stream if inspect.isgeneratorfunction(function) else _measure_call
            # A partial of a function of this module can be sent to another process, a closure cannot.
            node.func = functools.update_wrapper(
                functools.partial(measured, function, node.name, self._journal), function
            )

    def stop(self) -> dict[str, dict[str, float]]:
        """Put the functions back, and give ``seconds`` and ``peak_memory`` (bytes) of each node that has ended."""
        for node, function in self._functions:
            node.func = function
        if not self._journal.exists():
            return {}
        lines = map(json.loads, self._journal.read_text(encoding="utf-8").splitlines())
        return {line.pop("node"): line for line in lines}


def _measure_call(function: Callable[..., Any], node: str, journal: Path, *args: Any, **kwargs: Any) -> Any:
    with _measured(node, journal):
        return function(*args, **kwargs)


def _measure_stream(
    function: Callable[..., Iterator[Any]], node: str, journal: Path, *args: Any, **kwargs: Any
) -> Iterator[Any]:
    with _measured(node, journal):
        yield from function(*args, **kwargs)


@contextmanager
def _measured(node: str, journal: Path) -> Iterator[None]:
    process = psutil.Process()
    peak = process.memory_info().rss
    is_over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not is_over.wait(_SAMPLE_SECONDS):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True, name=f"memory of {node}")
    start = time.perf_counter()
    watcher.start()
    try:
        yield
    finally:
        seconds = time.perf_counter() - start
        is_over.set()
        watcher.join()
        line = {"node": node, "seconds": round(seconds, 3), "peak_memory": max(peak, process.memory_info().rss)}
        # One short write at the end of the file is not interrupted by another process's.
        descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, (json.dumps(line) + "\n").encode())
        finally:
            os.close(descriptor)
