"""What happens around every run: its manifest is written, and what it starts from is pinned to one earlier run."""

import atexit
import logging
import os
import re
import shlex
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import psutil
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.io.core import AbstractVersionedDataset, Version, is_parameter
from kedro.pipeline import Pipeline

from .manifest import Manifest, NodeRecord, Status, open_manifests
from .masking import list_secrets, mask_secrets
from .observation import NodeObserver
from .pinning import LineageError, check_files, choose_run, measure_versions
from .process import RunProcess
from .storage import CatalogStorage, StoredDataset
from .surroundings import describe_git, describe_machine, list_packages

logger = logging.getLogger(__name__)

#: The parameter that names the run to start from.
FROM_RUN = "from_run"


class LineageHooks:
    """Kedro hooks that keep the record of a run and see that it mixes nothing.

    The catalog needs an entry ``runs``. Under every runner all is done in the process that starts the run, before its
    first node and after its last one, so nothing hangs on hooks in other processes.
    """

    def __init__(self, *, distribution: str, metrics: str) -> None:
        """Fit the hooks to a project.

        Args:
            distribution: Name of the project's package as pip knows it; its dependencies' versions are recorded.
            metrics: Dataset with the figures to show in ``kedro runs``: a mapping of names to numbers, or to mappings
                with a number ``value``.
        """
        self._distribution = distribution
        self._metrics = metrics
        self._context: KedroContext | None = None
        self._secrets: set[str] = set()
        self._run: _Run | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep the context, which knows the parameters."""
        self._context = context

    @hook_impl
    def after_catalog_created(self, conf_creds: dict[str, Any]) -> None:
        """Learn what must not be written down."""
        self._secrets = list_secrets(conf_creds)

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Write the first manifest and pin every version that the run is going to load.

        Raises:
            LineageError: If the stored datasets that the run starts from are not from one run, or were changed.
        """
        self._run = _Run(self._describe(run_params, pipeline), pipeline, catalog, run_params, self._metrics)
        self._run.begin()
        try:
            self._run.pin(run_params)
        except BaseException as error:
            self._end("failed", error)
            raise

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Complete the manifest."""
        self._end("completed")

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """Complete the manifest of a run that failed."""
        self._end("failed", error)

    def _end(self, status: Status, error: BaseException | None = None) -> None:
        run, self._run = self._run, None
        if run is None:
            return
        try:
            run.end(status, mask_secrets(f"{type(error).__name__}: {error}", self._secrets) if error else None)
        except OSError as reason:
            if error is None:
                raise
            # The run's own error is the one to be shown; on a full disk both come together.
            logger.error("The manifest of run %s could not be completed: %s", run.manifest.run_id, reason)

    def _describe(self, run_params: dict[str, Any], pipeline: Pipeline) -> Manifest:
        project_path = Path(run_params["project_path"])
        commit, is_dirty = describe_git(project_path)
        parameters = self._context.config_loader["parameters"] if self._context else {}
        return Manifest(
            run_id=run_params["run_id"],
            started=datetime.now(UTC),
            command=mask_secrets(shlex.join(psutil.Process().cmdline()), self._secrets),
            environment=run_params["env"] or "local",
            pipelines=run_params["pipeline_names"] or ["__default__"],
            # Kedro gives the text of an object, with its address.
            runner=re.sub(r".*?(\w+) object at .*", r"\1", run_params["runner"]),
            parameters=mask_secrets(parameters, self._secrets),
            git_commit=commit,
            git_dirty=is_dirty,
            packages=list_packages(self._distribution),
            machine=describe_machine(),
            process=RunProcess.this(),
            nodes=[NodeRecord(name=node.name, inputs=node.inputs, outputs=node.outputs) for node in pipeline.nodes],
        )


class _Run:
    """One run from its first to its last manifest."""

    def __init__(
        self,
        manifest: Manifest,
        pipeline: Pipeline,
        catalog: DataCatalog,
        run_params: dict[str, Any],
        metrics: str,
    ) -> None:
        self.manifest = manifest
        self._pipeline = pipeline
        self._catalog = catalog
        self._metrics = metrics
        self._storage = CatalogStorage(catalog.config_resolver, Path(run_params["project_path"]))
        self._folder = open_manifests(catalog)
        self._observer = NodeObserver(pipeline, self._folder.open_journal(manifest.run_id))
        self._old_handler: Any = None

    def begin(self) -> None:
        """Write the first manifest, and see to it that an interrupted run writes its last one too."""
        self._folder.create(self.manifest)
        # Kedro tells hooks of errors, but not of Ctrl-C. A signal to stop is made an ordinary exit.
        atexit.register(self._end_interrupted)
        try:
            self._old_handler = signal.signal(signal.SIGTERM, _exit_on_signal)
        except ValueError:  # Only the main thread may.
            self._old_handler = None

    def pin(self, run_params: dict[str, Any]) -> None:
        """Fix the version of every dataset that the run loads: its own, or that of the run that it starts from."""
        if run_params["only_missing_outputs"]:
            raise LineageError(
                "--only-missing-outputs looks at whether outputs exist and not at what they were made of, and so would "
                "mix runs. Say what to run with --pipelines or --from-nodes, and on what with --params=from_run=ID."
            )
        written = {name for name in self._pipeline.all_outputs() if self._storage.is_versioned(name)}
        stored = {name for name in self._stored_inputs() if self._storage.is_versioned(name)}
        load_versions = run_params["load_versions"] or {}
        self._refuse_useless(load_versions, written)
        explicit = {name: version for name, version in load_versions.items() if name in stored}
        manifests = self._folder.read_all()
        implicit = stored - set(explicit)
        from_run = self._find_from_run(has_inputs=bool(implicit))
        versions = explicit
        if implicit:
            from_run, found = choose_run(implicit, manifests, from_run)
            versions = {**found, **explicit}
            logger.info("Starting from run %s", from_run)
        self.manifest.from_run = from_run
        self.manifest.load_versions = explicit
        self.manifest.read = measure_versions(versions, self._storage)
        check_files(self.manifest.read, manifests)
        self.manifest.read.update(self._record_unversioned(self._stored_inputs() - stored))
        self._folder.write(self.manifest)
        versions = {**versions, **dict.fromkeys(written, self.manifest.run_id)}
        self._set_load_versions(versions)
        self._observer.start(versions)

    def end(self, status: Status, error: str | None) -> None:
        """Write the last manifest."""
        atexit.unregister(self._end_interrupted)
        if self._old_handler is not None:
            signal.signal(signal.SIGTERM, self._old_handler)
        costs = self._observer.stop()
        manifest = self.manifest
        for node in manifest.nodes:
            if cost := costs.get(node.name):
                node.seconds, node.peak_memory = cost.seconds, cost.peak_memory
        manifest.written = self._record_written(
            {name for node in manifest.nodes if node.name in costs for name in node.outputs}
        )
        manifest.metrics = self._read_metrics()
        manifest.status, manifest.error, manifest.ended = status, error, datetime.now(UTC)
        self._folder.write(manifest)

    def _end_interrupted(self) -> None:
        # A forked worker that leaves has the handler of its parent, whose run this is.
        if os.getpid() == self.manifest.process.pid:
            self.end("interrupted", None)

    def _stored_inputs(self) -> set[str]:
        return {name for name in self._pipeline.inputs() if not is_parameter(name) and self._storage.is_stored(name)}

    def _find_from_run(self, *, has_inputs: bool) -> str | None:
        run = self.manifest.parameters.get(FROM_RUN)
        if run is None:
            return None
        if not has_inputs:
            logger.warning("from_run=%s is without effect: this run starts from nothing that another run stored", run)
            return None
        return self._folder.find(str(run), other_than=self.manifest.run_id).run_id

    def _refuse_useless(self, load_versions: dict[str, str], written: set[str]) -> None:
        useless = sorted(set(load_versions) & written)
        if useless:
            raise LineageError(
                f"--load-versions names {', '.join(useless)}, which this run itself writes, and then reads as it wrote "
                "it. Leave these names out, or run only what comes after them, with --from-nodes."
            )

    def _set_load_versions(self, versions: dict[str, str]) -> None:
        for name, version in versions.items():
            dataset = self._catalog.get(name)
            if isinstance(dataset, AbstractVersionedDataset):
                # The catalog takes load versions when it is made, before the pipeline is known; a dataset put in its
                # place would lose its validator.
                dataset._version = Version(version, self.manifest.run_id)

    def _record_unversioned(self, names: set[str]) -> dict[str, StoredDataset]:
        """Measure what lies in the datasets without versions; several may be names of one place."""
        measured: dict[str, StoredDataset] = {}
        recorded = {}
        for name in sorted(names):
            if place := self._storage.find_unversioned(name):
                if place.path not in measured:
                    measured[place.path] = self._storage.record(place, None)
                recorded[name] = measured[place.path]
        return recorded

    def _record_written(self, names: set[str]) -> dict[str, StoredDataset]:
        outputs = {name for name in names if self._storage.is_stored(name)}
        versioned = {name for name in outputs if self._storage.is_versioned(name)}
        recorded = self._record_unversioned(outputs - versioned)
        for name in versioned:
            place = self._storage.locate(name, self.manifest.run_id)
            if place.exists():
                recorded[name] = self._storage.record(place, self.manifest.run_id)
        return dict(sorted(recorded.items()))

    def _read_metrics(self) -> dict[str, float]:
        dataset = self._catalog.get(self._metrics) if self._metrics in self.manifest.written else None
        if dataset is None:
            return {}
        figures = {
            name: figure["value"] if isinstance(figure, dict) else figure for name, figure in dataset.load().items()
        }
        return {name: float(figure) for name, figure in figures.items() if isinstance(figure, int | float)}


def _exit_on_signal(number: int, _: Any) -> NoReturn:
    sys.exit(128 + number)
