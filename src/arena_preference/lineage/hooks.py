"""Kedro hooks that write a run's manifest and pin its stored inputs to one earlier run."""

import atexit
import logging
import os
import re
import shlex
import signal
import sys
from collections.abc import Set
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import psutil
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.io.core import AbstractVersionedDataset, Version, is_parameter
from kedro.pipeline import Pipeline
from rich.filesize import decimal

from .environment import RunProcess, describe_git, describe_machine, list_packages
from .manifest import Manifest, NodeRecord, Status, open_manifests
from .pinning import LineageError, choose_run, read_versions
from .profiling import start_profiling, stop_profiling
from .redaction import list_secrets, redact
from .storage import CatalogStorage, StoredDataset

logger = logging.getLogger(__name__)

#: The parameter that names the run to start from.
FROM_RUN = "from_run"


class LineageHooks:
    """Hooks for a project whose catalog has an entry ``runs``.

    All work is done in the process that starts the run, before the first node and after the last one, because not every
    runner calls hooks in its worker processes.
    """

    def __init__(self, *, distribution: str, metrics: str) -> None:
        """Configure the hooks.

        Args:
            distribution: The project's name for pip; the versions of its dependencies are recorded.
            metrics: Dataset with the metrics to record, a mapping to numbers or mappings with a number ``value``.
        """
        self._distribution, self._metrics = distribution, metrics
        self._parameters: dict[str, Any] = {}
        self._secrets: set[str] = set()
        self._is_running = False
        self._old_handler: Any = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember the parameters."""
        self._parameters = context.config_loader["parameters"]

    @hook_impl
    def after_catalog_created(self, conf_creds: dict[str, Any]) -> None:
        """Remember the secrets, which must not be recorded."""
        self._secrets = list_secrets(conf_creds)

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Write the first manifest, and pin the version of every dataset that the run loads.

        Raises:
            LineageError: If the stored inputs do not come from one run, or were changed.
        """
        self._pipeline, self._catalog = pipeline, catalog
        self._storage = CatalogStorage(catalog.config_resolver, Path(run_params["project_path"]))
        self._folder = open_manifests(self._storage)
        self._manifest = self._describe(run_params)
        self._folder.create(self._manifest)
        self._is_running = True
        # Kedro reports errors to hooks, but not Ctrl-C. SIGTERM becomes an ordinary exit.
        atexit.register(self._end_interrupted)
        try:
            self._old_handler = signal.signal(signal.SIGTERM, _exit_on_signal)
        except ValueError:
            logger.debug("Outside the main thread, SIGTERM cannot be recorded.")
        try:
            self._pin(run_params["load_versions"] or {}, run_params["only_missing_outputs"])
        except BaseException as error:
            self._end("failed", error)
            raise
        start_profiling(pipeline, self._folder.open_profiles(self._manifest.run_id))

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Complete the manifest."""
        self._end("completed")

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """Complete the manifest of a run that failed."""
        self._end("failed", error)

    def _end_interrupted(self) -> None:
        # A forked worker inherits this handler from the run's process, and must not end the run when it exits.
        if os.getpid() == self._manifest.process.pid:
            self._end("interrupted")

    def _describe(self, run_params: dict[str, Any]) -> Manifest:
        commit, is_dirty = describe_git(Path(run_params["project_path"]))
        nodes = self._pipeline.nodes
        return Manifest(
            run_id=run_params["run_id"],
            started=datetime.now(UTC),
            command=redact(shlex.join(psutil.Process().cmdline()), self._secrets),
            environment=run_params["env"] or "local",
            pipelines=run_params["pipeline_names"] or ["__default__"],
            # Kedro passes the runner's default repr, which has its address.
            runner=re.sub(r".*?(\w+) object at .*", r"\1", run_params["runner"]),
            parameters=redact(self._parameters, self._secrets),
            git_commit=commit,
            git_dirty=is_dirty,
            packages=list_packages(self._distribution),
            machine=describe_machine(),
            process=RunProcess.current(),
            nodes=[NodeRecord(name=node.name, inputs=node.inputs, outputs=node.outputs) for node in nodes],
        )

    def _pin(self, load_versions: dict[str, str], only_missing_outputs: bool) -> None:
        """Set the version of every dataset that the run loads: its own, or that of ``from_run``."""
        if only_missing_outputs:
            raise LineageError(
                "--only-missing-outputs checks that outputs exist, not what they were derived from, and so would mix "
                "runs. Choose what to run with --pipelines or --from-nodes, and from what with --params=from_run=RUN."
            )
        manifest, storage = self._manifest, self._storage
        inputs = {name for name in self._pipeline.inputs() if not is_parameter(name) and storage.is_stored(name)}
        written = {name for name in self._pipeline.all_outputs() if storage.is_versioned(name)}
        if useless := sorted(written & set(load_versions)):
            raise LineageError(
                f"--load-versions names {', '.join(useless)}, which this run writes itself. Leave out these names, or "
                "run only the nodes after them, with --from-nodes."
            )
        versioned = {name for name in inputs if storage.is_versioned(name)}
        versions = {name: version for name, version in load_versions.items() if name in versioned}
        manifest.load_versions = dict(versions)
        manifests = self._folder.read_all()
        from_run = manifest.parameters.get(FROM_RUN)
        if needed := versioned - set(versions):
            if from_run is not None:
                from_run = self._folder.find(str(from_run), other_than=manifest.run_id).run_id
            manifest.from_run, found = choose_run(needed, manifests, from_run)
            versions |= found
        elif from_run is not None:
            logger.warning("from_run=%s has no effect: this run loads nothing that another run stored.", from_run)
        origin = f"inputs from run {manifest.from_run}" if manifest.from_run else "no inputs from other runs"
        logger.info("Run %s, number of nodes: %d, %s", manifest.run_id, len(manifest.nodes), origin)
        unversioned = self._record_unversioned(inputs - versioned)
        for path, size in {stored.path: stored.size for stored in unversioned.values()}.items():
            logger.info("Reads %s, %s", path, decimal(size))
        manifest.read = read_versions(versions, manifests, storage) | unversioned
        self._folder.write(manifest)
        versions |= dict.fromkeys(written, manifest.run_id)
        for node in manifest.nodes:
            for name in filter(versions.get, node.inputs):
                logger.debug("%s loads %s, version %s", node.name, name, versions[name])
        for name, version in versions.items():
            dataset = self._catalog.get(name)
            if isinstance(dataset, AbstractVersionedDataset):
                # Private, because the catalog accepts load versions only when it is created, before the pipeline is
                # known, and a replacement dataset would lose its validator.
                dataset._version = Version(version, manifest.run_id)

    def _end(self, status: Status, error: BaseException | None = None) -> None:
        if not self._is_running:
            return
        self._is_running = False
        atexit.unregister(self._end_interrupted)
        if self._old_handler is not None:
            signal.signal(signal.SIGTERM, self._old_handler)
        try:
            self._complete(status, redact(f"{type(error).__name__}: {error}", self._secrets) if error else None)
        except OSError as reason:
            if error is None:
                raise
            # The run's own error is the one to show; a full disk causes both.
            logger.error("The manifest of run %s could not be completed: %s", self._manifest.run_id, reason)

    def _complete(self, status: Status, error: str | None) -> None:
        """Write the last manifest."""
        manifest, storage = self._manifest, self._storage
        profiles = stop_profiling(self._pipeline, self._folder.open_profiles(manifest.run_id))
        ended = [node for node in manifest.nodes if node.name in profiles]
        for node in ended:
            node.seconds, node.peak_memory = profiles[node.name]
        outputs = {name for node in ended for name in node.outputs if storage.is_stored(name)}
        versioned = {name for name in outputs if storage.is_versioned(name)}
        paths = {name: storage.locate(name, manifest.run_id) for name in sorted(versioned)}
        manifest.written = {
            **{name: storage.record(path, manifest.run_id) for name, path in paths.items() if path.exists()},
            **self._record_unversioned(outputs - versioned),
        }
        if status == "completed" and self._metrics in manifest.written:
            values = self._catalog.load(self._metrics)
            numbers = {name: value.get("value") if isinstance(value, dict) else value for name, value in values.items()}
            manifest.metrics = {name: value for name, value in numbers.items() if isinstance(value, int | float)}
        manifest.status, manifest.error, manifest.ended = status, error, datetime.now(UTC)
        self._folder.write(manifest)
        logger.info("Run %s %s after %.0f s", manifest.run_id, status, manifest.seconds)

    def _record_unversioned(self, names: Set[str]) -> dict[str, StoredDataset]:
        """Return the records of datasets without versions; a path with several names is hashed once."""
        paths = {name: path for name in sorted(names) if (path := self._storage.find_unversioned(name))}
        records = {path: self._storage.record(path, None) for path in set(paths.values())}
        return {name: records[path] for name, path in paths.items()}


def _exit_on_signal(number: int, _: Any) -> NoReturn:
    sys.exit(128 + number)
