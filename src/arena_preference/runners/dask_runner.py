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
from kedro.framework.hooks import manager as hooks
from kedro.io import CatalogProtocol, DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import AbstractRunner
from kedro.runner.task import Task
from pluggy import PluginManager

from arena_preference.device import select_devices
from arena_preference.lineage.storage import CatalogStorage

from .partitions import commit_outputs, execute_in_chunks, execute_partition, find_chunked, list_partitions

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

#: Tag of nodes that are sent to workers with the resource ``GPU``; each takes one.
GPU_TAG: Final = "gpu"

_GPU: Final = {"GPU": 1}


class DaskRunner(AbstractRunner):
    """A Kedro runner that sends nodes to the workers of a Dask cluster as soon as their inputs exist.

    Nodes tagged ``per_battle`` are run on several partitions at once if their tables are partitioned (env ``cluster``).
    Nodes exchange data through the catalog alone, so the workers must see the same files, under the same paths, as the
    process that starts the run. A worker that dies is replaced, and its task is run again. The workers' log lines
    appear in the run's own log. When a node fails, waiting tasks are cancelled; those that are already running on a
    cluster given by ``address`` run to their end.

    ### Example usage

        kedro run --runner=arena_preference.runners.DaskRunner --runner-params=n_workers=2
        kedro run --runner=arena_preference.runners.DaskRunner --runner-params=address=tcp://host:8786
    """

    def __init__(
        self,
        address: str | None = None,
        n_workers: int | None = None,
        memory_limit: str | float | None = None,
        connect_timeout: float = 20,
        is_async: bool = False,
    ) -> None:
        """Choose a cluster without starting it.

        Args:
            address: Address of a running scheduler; None starts a cluster on this machine for this run.
            n_workers: Worker processes of a new cluster; None starts one per core.
            memory_limit: Memory above which one of these workers is restarted, such as ``2GB``; None is its share of
                the machine's.
            connect_timeout: Seconds to wait for the scheduler at ``address``.
            is_async: Whether a node's inputs and outputs are loaded and saved in threads.

        Raises:
            ValueError: If ``n_workers`` is not positive, or both a running and a new cluster are described.
        """
        super().__init__(is_async=is_async)
        if address is not None and (n_workers, memory_limit) != (None, None):
            raise ValueError(
                "address names a running cluster, and n_workers and memory_limit describe a new one. Leave out either."
            )
        self._address = address
        self._n_workers = self._validate_max_workers(n_workers)
        self._memory_limit = memory_limit
        self._connect_timeout = connect_timeout
        self._client: Client | None = None

    def _run(
        self,
        pipeline: Pipeline,
        catalog: CatalogProtocol,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
    ) -> None:
        _reject_memory_outputs(pipeline, catalog)
        with self._connect() as client:
            _reject_missing_gpu(client, pipeline)
            logger.info("Dask dashboard: %s", client.dashboard_link)
            self._client = client
            try:
                # The hook manager cannot be pickled: each worker makes its own.
                super()._run(pipeline, catalog, run_id=run_id)
            except CancelledError as reason:
                raise RuntimeError(
                    f"The connection to the Dask scheduler at {self._address or 'this machine'} was lost. Start it and "
                    "the run again; embedded texts and fine-tuned models are reused."
                ) from reason
            except KilledWorker as reason:
                raise RuntimeError(
                    f"{reason.allowed_failures + 1} workers in a row died while they ran {reason.task}, probably for "
                    "lack of memory. Raise --runner-params=memory_limit=8GB or `dask worker --memory-limit`."
                ) from reason

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
            client = Client(self._address, timeout=self._connect_timeout)
        except OSError as reason:
            raise RuntimeError(
                f"No Dask scheduler at {self._address} responded within {self._connect_timeout} seconds. Start one "
                "with `dask scheduler`, or leave out the address to start a cluster on this machine."
            ) from reason
        with client:
            _prepare_workers(client, is_own=False)
            yield client

    def _start_cluster(self) -> SpecCluster:
        memory_limit = self._memory_limit or psutil.virtual_memory().total // self._n_workers
        options = {"nthreads": 1, "memory_limit": memory_limit, "host": "127.0.0.1"}
        # A node takes all GPUs of a machine, so only one worker offers the resource; without GPUs, all do.
        n_offering = 1 if select_devices("auto")[0].type == "cuda" else self._n_workers
        workers = {
            number: {"cls": Nanny, "options": {**options, "resources": _GPU if number < n_offering else {}}}
            for number in range(self._n_workers)
        }
        scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}}
        # Dask would limit every library to one thread, which changes the last bits of sums. Polars' results do not
        # depend on its threads, which are divided among the workers.
        threads = os.environ.get("POLARS_MAX_THREADS") or max(1, (os.cpu_count() or 1) // self._n_workers)
        environment = {"DASK_LOGGING__DISTRIBUTED": "warning", "POLARS_MAX_THREADS": str(threads)}
        with dask.config.set({"distributed.nanny.pre-spawn-environ": environment}):
            return SpecCluster(workers=workers, scheduler=scheduler)


class _NodeExecutor(ClientExecutor):
    """The executor to which Kedro's loop over nodes submits tasks."""

    def submit(self, task: Task) -> Future[Node]:  # type: ignore[override]
        """Send a node, or each of its partitions, to a worker."""
        resources = _GPU if GPU_TAG in task.node.tags else None
        key = f"{task.node.name}-{task.run_id}"
        partitions = list_partitions(task)
        if not partitions:
            return super().submit(_execute, task, key=key, resources=resources, pure=False)
        logger.info("%s is run on %d partitions", task.node.name, len(partitions))
        # Only the first partition logs. With the tag `gpu` the others wait for it, because the first texts determine
        # the dtype in which a collection of the embedding store is computed.
        futures: list[Any] = []
        for partition in partitions:
            future = self._client.submit(
                _execute_partition,
                *(task, partition, bool(futures), futures[:1] if resources else []),
                key=f"{task.node.name}-{partition:05d}-{task.run_id}",
                resources=resources,
                pure=False,
            )
            futures.append(future)
        return super().submit(_commit, task, partitions, futures, key=key, pure=False)

    def _wrap_future(self, future: Any) -> Future[Node]:
        """Release a node's result once it is known: otherwise Dask computes it again if its worker dies."""
        wrapped: Future[Node] = super()._wrap_future(future)
        wrapped.add_done_callback(lambda _: future.release())
        return wrapped

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cancel waiting tasks if a node failed or the run was interrupted."""
        self.shutdown(wait=kind is None)


class _ProjectPlugin(WorkerPlugin):
    """Configures the project on each worker, also on those that join later."""

    def __init__(self, package: str, is_own: bool) -> None:
        self.name, self._package, self._is_own = f"kedro-project-{package}", package, is_own

    def setup(self, worker: Worker) -> None:
        """Do what Kedro does at the start of a command."""
        project.configure_project(self._package)
        if self._is_own:
            # All lines are forwarded to the run, which has the same console.
            logging.getLogger().handlers.clear()
        # Dask's profiler inspects the frames of all threads, which can deadlock Python 3.11:
        # https://github.com/dask/distributed/issues/8616
        for name in ("profile", "profile-cycle"):
            if callback := worker.periodic_callbacks.pop(name, None):
                callback.stop()


def _prepare_workers(client: Client, *, is_own: bool) -> None:
    package = str(project.PACKAGE_NAME)
    client.register_plugin(_ProjectPlugin(package, is_own))
    # After the project's logging configuration, which removes handlers.
    for name in sorted({"kedro", "arena_preference", package}):
        client.forward_logging(name)


def _execute(task: Task) -> Node:
    """Run a node on a worker, with the project's hooks."""
    task.hook_manager = _make_hook_manager()
    # A worker that died may have written some outputs, and Kedro writes a version only once.
    storage = CatalogStorage(cast(DataCatalog, task.catalog).config_resolver, Path.cwd())
    for name in task.node.outputs:
        if storage.is_versioned(name) and (folder := storage.locate_folder(name, str(task.run_id))).exists():
            folder.remove()
    if chunked := find_chunked(task):
        execute_in_chunks(task, *chunked)
        return task.node
    return task.execute()


def _execute_partition(task: Task, partition: int, is_quiet: bool, _: list[None]) -> None:
    """Run a node on one partition, and overwrite the files of a worker that died."""
    task.hook_manager = _make_hook_manager()
    execute_partition(task, partition, is_quiet=is_quiet)


def _commit(task: Task, partitions: list[int], _: list[None]) -> Node:
    """Make versions of the outputs after all their partitions were saved."""
    commit_outputs(task, partitions)
    return task.node


@functools.cache
def _make_hook_manager() -> PluginManager:
    """Return a manager of the project's hooks, for which Kedro has no public function.

    Kedro's own task makes one for every node, with the hooks of Kedro-Viz, which warn if ``after_catalog_created`` was
    not called.
    """
    hook_manager = hooks._create_hook_manager()
    hooks._register_hooks(hook_manager, project.settings.HOOKS)
    hooks._register_hooks_entry_points(hook_manager, (*project.settings.DISABLE_HOOKS_FOR_PLUGINS, "kedro-viz"))
    return hook_manager


def _reject_memory_outputs(pipeline: Pipeline, catalog: CatalogProtocol) -> None:
    # Private, but the mark with which Kedro's own ParallelRunner rejects datasets.
    unstored = sorted(
        name
        for name in pipeline.all_outputs()
        if isinstance(catalog.get(name), MemoryDataset) or getattr(catalog.get(name), "_SINGLE_PROCESS", False)
    )
    if unstored:
        raise ValueError(
            f"Workers exchange data through files, and {len(unstored)} datasets have none: {', '.join(unstored)}. Add "
            "them to the catalog."
        )


def _reject_missing_gpu(client: Client, pipeline: Pipeline) -> None:
    """Reject a run that would wait forever; an adaptive cluster may not have any workers yet."""
    waiting = sorted(node.name for node in pipeline.nodes if GPU_TAG in node.tags)
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    if waiting and workers and not any(worker["resources"].get("GPU") for worker in workers):
        raise RuntimeError(
            f"None of the {len(workers)} workers has the resource GPU, which {len(waiting)} nodes need, "
            f"{waiting[0]} among them. Start at least one with `dask worker --resources GPU=1`; it need not have a GPU."
        )
