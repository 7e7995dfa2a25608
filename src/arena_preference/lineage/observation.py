"""What each node of a run loaded, and the seconds and memory that it took, under any runner.

Kedro calls hooks in the process that runs a node, and under a runner that spawns processes it calls none. A node's
function, however, travels to wherever it runs, be it another machine. So the observer is wrapped around the function,
and leaves what it found in a file beside the manifests.
"""

import functools
import inspect
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import psutil
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from arena_preference.datasets.atomic_write import atomic_write

from .storage import StoredPath

logger = logging.getLogger(__name__)

_SAMPLE_SECONDS = 0.02
_NOTE = ".json"


class NodeCost(NamedTuple):
    """Seconds that a node's function took, and the process's highest resident set meanwhile, in bytes.

    Of a node that was run part by part, the seconds of all parts together, also of those that were done again, and the
    highest of any.
    """

    seconds: float
    peak_memory: int


class NodeObserver:
    """Watches the nodes of a pipeline from ``start`` to ``stop``."""

    def __init__(self, pipeline: Pipeline, journal: StoredPath) -> None:
        """Take the nodes to watch.

        Args:
            pipeline: What is going to run.
            journal: A folder that is this run's own, and in reach of every process that runs a node.
        """
        self._functions = [(node, node.func) for node in pipeline.nodes]
        self._journal = journal

    def start(self, versions: Mapping[str, str]) -> None:
        """Wrap the functions.

        Args:
            versions: By name of each dataset that has versions, the one that the run loads; each node logs its own.
        """
        self._journal.fs.makedirs(self._journal.path, exist_ok=True)
        for node, function in self._functions:
            loaded = {name: versions[name] for name in node.inputs if name in versions}
            observed = _observe_stream if inspect.isgeneratorfunction(function) else _observe_call
            observation = _Observation(node.name, loaded, self._journal)
            _set_function(node, functools.update_wrapper(_ObservedFunction(observed, function, observation), function))

    def stop(self) -> dict[str, NodeCost]:
        """Put the functions back, and give the cost of each node that has ended, well or not, by its name."""
        for node, function in self._functions:
            _set_function(node, function)
        if not self._journal.exists():
            return {}
        costs: dict[str, NodeCost] = {}
        for path in map(str, self._journal.fs.ls(self._journal.path, detail=False)):
            # What was not finished has another ending.
            if path.endswith(_NOTE):
                name = PurePosixPath(path).name.removesuffix(_NOTE).rpartition(".")[0]
                seconds, peak_memory = json.loads(self._journal.fs.cat_file(path))
                before = costs.get(name, NodeCost(0.0, 0))
                costs[name] = NodeCost(round(before.seconds + seconds, 3), max(before.peak_memory, peak_memory))
        self._journal.remove()
        return costs


def _set_function(node: Node, function: Callable[..., Any]) -> None:
    node.inputs  # noqa: B018 - Kedro's setter throws a cached value away, and fails where there is none
    node.func = function


class _ObservedFunction(functools.partial):
    """A partial, since it can be sent to another process, as no closure can, and Kedro sees whether it is a generator.

    A class of its own, since multiprocessing sends a plain partial without the name that Kedro asks for.
    """


@dataclass(frozen=True)
class _Observation:
    node: str
    loaded: dict[str, str]
    journal: StoredPath

    @contextmanager
    def observe(self) -> Iterator[None]:
        for name, version in self.loaded.items():
            logger.info("%s has loaded %s, version %s", self.node, name, version)
        process = psutil.Process()
        peak = process.memory_info().rss
        is_over = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not is_over.wait(_SAMPLE_SECONDS):
                peak = max(peak, process.memory_info().rss)

        watcher = threading.Thread(target=watch, daemon=True, name=f"memory of {self.node}")
        start = time.perf_counter()
        watcher.start()

        def note() -> None:
            seconds = time.perf_counter() - start
            is_over.set()
            watcher.join()
            cost = NodeCost(round(seconds, 3), max(peak, process.memory_info().rss))
            with atomic_write(self.journal.fs, f"{self.journal.path}/{self.node}.{uuid.uuid4().hex}{_NOTE}") as file:
                file.write(json.dumps(cost).encode())

        try:
            yield
        except BaseException:
            # The node's own error is the one to be shown.
            with suppress(OSError):
                note()
            raise
        note()


def _observe_call(function: Callable[..., Any], observation: _Observation, *args: Any, **kwargs: Any) -> Any:
    with observation.observe():
        return function(*args, **kwargs)


def _observe_stream(
    function: Callable[..., Iterator[Any]], observation: _Observation, *args: Any, **kwargs: Any
) -> Iterator[Any]:
    with observation.observe():
        yield from function(*args, **kwargs)
