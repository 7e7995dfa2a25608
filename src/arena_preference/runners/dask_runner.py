"""Runs nodes as tasks of a Dask cluster, on this machine or on many."""

import functools
import logging
import os
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, cast

import psutil
from kedro.framework import project
from kedro.framework.hooks.manager import (
    _create_hook_manager,
    _register_hooks,
    _register_hooks_entry_points,
)
from kedro.io import CatalogProtocol, DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import AbstractRunner
from kedro.runner.task import Task
from pluggy import PluginManager

from arena_preference.device import select_devices
from arena_preference.lineage.storage import CatalogStorage

from .partitions import execute_in_chunks, execute_part, find_chunked, finish_outputs, list_parts

try:
    import dask
    from distributed import Client, KilledWorker, Nanny, Scheduler, SpecCluster, Worker, WorkerPlugin
    from distributed.cfexecutor import ClientExecutor
except ModuleNotFoundError as reason:
    raise ModuleNotFoundError(
        f"{reason.name} is not installed, and the runner for a Dask cluster needs it: pip install "
        "'arena-preference[cluster]'."
    ) from reason

logger = logging.getLogger(__name__)
# Dask sets its own level when it is imported.
logging.getLogger("distributed").setLevel(logging.WARNING)

#: Nodes with this tag go to workers that offer the resource ``GPU``, each of them taking one.
GPU_TAG: Final = "gpu"

_GPU: Final = {"GPU": 1}
_CONNECT_SECONDS: Final = 20


class DaskRunner(AbstractRunner):
    """A Kedro runner that hands nodes to the workers of a Dask cluster, in the order of what they need.

    Nodes tagged ``per_battle`` are run part by part, several parts at once, where their tables are partitioned (env
    ``cluster``). Everything that passes from node to node goes through the catalog, so the workers must reach the same
    files, under the same paths, as the process that starts the run. A worker that dies is replaced by another one, and
    what it was at is done again. The workers' log lines appear in the run's own log. When a node fails, those that wait
    are taken back, and those that run on a cluster that was there before go on to their end.

    ### Example usage

        kedro run --runner=arena_preference.runners.DaskRunner --runner-params=n_workers=2
        kedro run --runner=arena_preference.runners.DaskRunner --runner-params=address=tcp://host:8786
    """

    def __init__(
        self,
        address: str | None = None,
        n_workers: int | None = None,
        memory_limit: str | float | None = None,
        is_async: bool = False,
    ) -> None:
        """Say which cluster is meant; nothing is started yet.

        Args:
            address: Of a scheduler that runs; None starts a cluster on this machine for this run alone.
            n_workers: Of the cluster that is started, one process each; None starts one for each core.
            memory_limit: Of each of these workers, such as ``2GB``; None gives each its share of the machine. A worker
                that grows beyond is started anew.
            is_async: Whether a node's inputs and outputs are loaded and saved in threads.

        Raises:
            ValueError: If the number of workers is not positive, or both a cluster and its size are given.
        """
        super().__init__(is_async=is_async)
        if address is not None and (n_workers, memory_limit) != (None, None):
            raise ValueError(
                "address names a cluster that runs already, and n_workers and memory_limit are those of one that is to "
                "be started. Leave out either."
            )
        self._address = address
        self._n_workers = self._validate_max_workers(n_workers)
        self._memory_limit = memory_limit
        self._client: Client | None = None

    def _run(
        self,
        pipeline: Pipeline,
        catalog: CatalogProtocol,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
    ) -> None:
        _refuse_unstored(pipeline, catalog)
        with self._connect() as client:
            _refuse_without_gpu(client, pipeline)
            logger.info("Dask dashboard: %s", client.dashboard_link)
            self._client = client
            try:
                # The manager of hooks cannot be sent away: each task makes one of the project's hooks where it runs.
                super()._run(pipeline, catalog, run_id=run_id)
            except CancelledError as reason:
                raise RuntimeError(
                    f"The connection to the Dask scheduler at {self._address or 'this machine'} was lost. Start it "
                    "again, and then the run: texts that were embedded and models that were fine-tuned are not made "
                    "again."
                ) from reason
            except KilledWorker as reason:
                raise RuntimeError(
                    f"{reason.allowed_failures + 1} workers died, one after the other, while they ran {reason.task}, "
                    "most likely for want of memory. Give them more with --runner-params=memory_limit=8GB or `dask "
                    "worker --memory-limit`."
                ) from reason
            finally:
                self._client = None

    def _get_executor(self, max_workers: int) -> "_NodeExecutor":
        return _NodeExecutor(self._client)

    @contextmanager
    def _connect(self) -> Iterator[Client]:
        if self._address is None:
            with self._start_cluster() as cluster, Client(cluster) as client:
                _prepare_workers(client, is_own=True)
                yield client
            return
        try:
            client = Client(self._address, timeout=_CONNECT_SECONDS)
        except OSError as reason:
            raise RuntimeError(
                f"No Dask scheduler answers at {self._address} within {_CONNECT_SECONDS} seconds. Start one with `dask "
                "scheduler`, or leave the address out: then a cluster is started on this machine."
            ) from reason
        with client:
            _prepare_workers(client, is_own=False)
            yield client

    def _start_cluster(self) -> SpecCluster:
        share = psutil.virtual_memory().total // self._n_workers
        options = {"nthreads": 1, "memory_limit": self._memory_limit or share, "host": "127.0.0.1"}
        # Where there are GPUs a node takes all of them, so one worker offers them; elsewhere its work is any worker's.
        offering = 1 if select_devices("auto")[0].type == "cuda" else self._n_workers
        workers = {
            number: {"cls": Nanny, "options": {**options, "resources": _GPU if number < offering else {}}}
            for number in range(self._n_workers)
        }
        scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}}
        # Dask would hold every library to one thread; with as many as elsewhere, sums have the same last bits. Polars,
        # which sums in the same order whatever it is given, takes its share.
        threads = os.environ.get("POLARS_MAX_THREADS") or max(1, (os.cpu_count() or 1) // self._n_workers)
        environment = {"DASK_LOGGING__DISTRIBUTED": "warning", "POLARS_MAX_THREADS": str(threads)}
        with dask.config.set({"distributed.nanny.pre-spawn-environ": environment}):
            return SpecCluster(workers=workers, scheduler=scheduler)


class _NodeExecutor(ClientExecutor):
    """What Kedro's own loop over nodes submits to and waits for."""

    def submit(self, task: Task) -> Future[Node]:  # type: ignore[override]
        """Send a node to a worker, or each part of its battles to one."""
        resources = _GPU if GPU_TAG in task.node.tags else None

        def key(of: str = "") -> str:
            return f"{task.node.name}{of}-{task.run_id}"

        parts = list_parts(task)
        if not parts:
            return super().submit(_execute, task, key=key(), resources=resources, pure=False)
        logger.info("%s is run on %d parts", task.node.name, len(parts))

        def submit_part(part: int, *before: Any) -> Any:
            """Have a part done after others; it goes without saying what a part before it has said."""
            name, is_quiet = key(f"-{part:05d}"), part != parts[0]
            return self._client.submit(
                _execute_part, task, part, is_quiet, before, key=name, resources=resources, pure=False
            )

        first = submit_part(parts[0])
        # The texts that come first settle the precision in which a space of the embedding store is filled.
        before = [first] if resources else []
        others = [submit_part(part, *before) for part in parts[1:]]
        return super().submit(_finish, task, parts, [first, *others], key=key(), pure=False)

    def _wrap_future(self, future: Any) -> Future[Node]:
        """Let go of a node's result as soon as it is known: Dask makes again what a dead worker had that is wanted."""
        wrapped: Future[Node] = super()._wrap_future(future)
        wrapped.add_done_callback(lambda _: future.release())
        return wrapped

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Once one node has failed, or the run was interrupted, take back all that has not begun."""
        self.shutdown(wait=kind is None)


class _ProjectPlugin(WorkerPlugin):
    """Makes the project known to each worker, also to those that come later."""

    def __init__(self, package: str, is_own: bool) -> None:
        self.name = f"kedro-project-{package}"
        self._package = package
        self._is_own = is_own

    def setup(self, worker: Worker) -> None:
        """Do what Kedro does at the start of a command."""
        project.configure_project(self._package)
        if self._is_own:
            # The console is that of the run, to which all lines are sent.
            logging.getLogger().handlers.clear()
        # Dask's profiler looks at the frames of all threads, in which Python 3.11 may lock up for ever:
        # https://github.com/dask/distributed/issues/8616
        for name in ("profile", "profile-cycle"):
            if callback := worker.periodic_callbacks.pop(name, None):
                callback.stop()


def _prepare_workers(client: Client, *, is_own: bool) -> None:
    package = str(project.PACKAGE_NAME)
    client.register_plugin(_ProjectPlugin(package, is_own))
    # After the project, whose configuration of the loggers would remove what sends their lines.
    for name in sorted({"kedro", "arena_preference", package}):
        client.forward_logging(name)


def _execute(task: Task) -> Node:
    """Run a node on a worker, with the project's hooks."""
    task.hook_manager = _make_hook_manager()
    # A worker that died may have written some of the outputs, and a version is written once.
    storage = CatalogStorage(cast(DataCatalog, task.catalog).config_resolver, Path.cwd())
    for name in task.node.outputs:
        if storage.is_versioned(name) and (left := storage.locate_folder(name, str(task.run_id))).exists():
            left.remove()
    return execute_in_chunks(task) if find_chunked(task) else task.execute()


def _execute_part(task: Task, part: int, is_quiet: bool, _: tuple[None, ...]) -> None:
    """Run a node on one part of the battles; parts that a worker wrote before it died are written again."""
    task.hook_manager = _make_hook_manager()
    execute_part(task, part, is_quiet=is_quiet)


def _finish(task: Task, parts: list[int], _: list[None]) -> Node:
    """Make versions of the outputs once all their parts are there."""
    finish_outputs(task, parts)
    return task.node


@functools.cache
def _make_hook_manager() -> PluginManager:
    """Do what Kedro's own task does in another process, but once: a second time, its logging refers to itself."""
    hook_manager = _create_hook_manager()
    _register_hooks(hook_manager, project.settings.HOOKS)
    # What Kedro-Viz shows of a run, it takes from hooks that are called on no worker.
    disabled = (*project.settings.DISABLE_HOOKS_FOR_PLUGINS, "kedro-viz")
    _register_hooks_entry_points(hook_manager, disabled)
    return hook_manager


def _refuse_unstored(pipeline: Pipeline, catalog: CatalogProtocol) -> None:
    unstored = sorted(
        name
        for name in pipeline.all_outputs()
        if isinstance(catalog.get(name), MemoryDataset) or getattr(catalog.get(name), "_SINGLE_PROCESS", False)
    )
    if unstored:
        raise ValueError(
            f"What one worker makes reaches another through files alone, and {len(unstored)} datasets have none: "
            f"{', '.join(unstored)}. Give them an entry in the catalog."
        )


def _refuse_without_gpu(client: Client, pipeline: Pipeline) -> None:
    """Refuse to wait for ever; workers of a cluster that grows by itself may come later."""
    waiting = sorted(node.name for node in pipeline.nodes if GPU_TAG in node.tags)
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    if waiting and workers and not any(worker["resources"].get("GPU") for worker in workers):
        raise RuntimeError(
            f"None of the {len(workers)} workers offers the resource GPU, which {len(waiting)} nodes ask for, "
            f"{waiting[0]} the first of them. Start at least one with `dask worker --resources GPU=1`; without a GPU, "
            "its processor does that work."
        )
