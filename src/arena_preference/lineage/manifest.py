"""The record of what a run read and wrote, and the folder in which the records of all runs lie."""

import logging
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Final, Literal, NoReturn

import fsspec
from kedro.io import DataCatalog
from kedro.io.core import AbstractDataset, DatasetError, get_protocol_and_path
from pydantic import BaseModel, ConfigDict, ValidationError

from arena_preference.datasets.atomic_write import atomic_write, open_filesystem

from .process import RunProcess
from .storage import StoredDataset, StoredPath

logger = logging.getLogger(__name__)

#: The catalog's entry of type ``ManifestFolderDataset``.
RUNS: Final = "runs"

Status = Literal["running", "completed", "failed", "interrupted"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NodeRecord(_Record):
    """A node: names of the datasets it reads and writes; seconds and bytes of its function, once it has run.

    The memory is the highest resident set of the process while the function ran.
    """

    name: str
    inputs: list[str]
    outputs: list[str]
    seconds: float | None = None
    peak_memory: int | None = None


class Manifest(_Record):
    """What one run was asked, what it ran on, and what it read and wrote."""

    run_id: str
    name: str | None = None
    status: Status = "running"
    started: datetime
    ended: datetime | None = None
    error: str | None = None
    command: str
    environment: str
    pipelines: list[str]
    runner: str
    parameters: dict[str, Any]
    from_run: str | None = None
    load_versions: dict[str, str] = {}
    git_commit: str | None
    git_dirty: bool | None
    packages: dict[str, str]
    machine: dict[str, Any]
    process: RunProcess
    nodes: list[NodeRecord]
    read: dict[str, StoredDataset] = {}
    written: dict[str, StoredDataset] = {}
    metrics: dict[str, float] = {}

    @property
    def seconds(self) -> float | None:
        """How long the run took."""
        return (self.ended - self.started).total_seconds() if self.ended else None

    @property
    def written_versions(self) -> set[str]:
        """Names of the datasets of which this run wrote a version."""
        return {name for name, stored in self.written.items() if stored.version}

    @property
    def needed_runs(self) -> set[str]:
        """Ids of the runs whose outputs this one read or builds on."""
        needed = {stored.version for stored in self.read.values() if stored.version} | {self.from_run}
        return {run_id for run_id in needed if run_id}

    def is_under_way(self) -> bool:
        """Tell whether the run still goes on: a run that was killed could not write how it ended."""
        return self.status == "running" and self.process.is_alive()

    def describe_status(self) -> str:
        """Give the status, or "killed" for a run that stopped without a word."""
        return "killed" if self.status == "running" and not self.is_under_way() else self.status


class ManifestFolder:
    """One JSON file for each run, ``<run id>.json``."""

    def __init__(self, fs: fsspec.AbstractFileSystem, path: str) -> None:
        self._fs = fs
        self._path = path

    def read_all(self) -> dict[str, Manifest]:
        """Read every manifest, from the oldest run to the newest. One that cannot be read is named and left out.

        An empty one is left out without a word: its run was killed as it began, and wrote nothing.
        """
        self._fs.invalidate_cache(self._path)
        if not self._fs.isdir(self._path):
            return {}
        files = [path for path in self._fs.ls(self._path, detail=False) if str(path).endswith(".json")]
        manifests = {}
        for path in sorted(files):
            text = self._fs.cat_file(path)
            if not text:
                continue
            try:
                manifest = Manifest.model_validate_json(text)
            except ValidationError as reason:
                logger.warning("%s is not a manifest and is left out: %s", path, reason)
            else:
                manifests[manifest.run_id] = manifest
        return manifests

    def find(self, run: str, *, other_than: str | None = None) -> Manifest:
        """Find a run by its id, its name, or the beginning of its id.

        Args:
            run: Any of these.
            other_than: Id of a run that is not meant, such as the one that asks.

        Raises:
            ValueError: If there is none, or more than one.
        """
        manifests = self.read_all()
        manifests.pop(other_than or "", None)
        if run in manifests:
            return manifests[run]
        found = [manifest for manifest in manifests.values() if manifest.name == run]
        found = found or [manifest for run_id, manifest in manifests.items() if run_id.startswith(run)]
        if len(found) == 1:
            return found[0]
        how_many = f"{len(found)} runs begin" if found else "no run begins"
        raise ValueError(f"{run!r} is no run's id or name, and {how_many} with it. `kedro runs list` shows all runs.")

    def create(self, manifest: Manifest) -> None:
        """Write the first manifest of a run.

        Raises:
            FileExistsError: If another run has the same id.
        """
        self._fs.makedirs(self._path, exist_ok=True)
        try:
            # Of two runs that begin in the same millisecond, one makes the file and the other cannot.
            self._fs.open(self._file(manifest.run_id), "xb").close()
        except FileExistsError as error:
            raise FileExistsError(
                f"Run {manifest.run_id} is there already: two runs were started in the same millisecond. Start this "
                "one again."
            ) from error
        self.write(manifest)

    def write(self, manifest: Manifest) -> None:
        """Write a manifest, whole, in place of an earlier one of the same run."""
        with atomic_write(self._fs, self._file(manifest.run_id)) as file:
            file.write(manifest.model_dump_json(indent=2).encode())

    def open_journal(self, run_id: str) -> StoredPath:
        """Give the folder for what the nodes of a run note of themselves, which is there while it goes on."""
        return StoredPath(self._fs, f"{self._path}/{run_id}.nodes")

    def remove(self, run_id: str) -> None:
        """Delete the manifest of a run, and the journal that it left behind if it was killed."""
        self._fs.rm(self._file(run_id))
        journal = self.open_journal(run_id)
        if journal.exists():
            journal.remove()

    def _file(self, run_id: str) -> str:
        return f"{self._path}/{run_id}.json"


class ManifestFolderDataset(AbstractDataset[NoReturn, ManifestFolder]):
    """Opens the folder of manifests; runs write to it by themselves.

    ### Example usage for the YAML API

        runs:
          type: arena_preference.lineage.manifest.ManifestFolderDataset
          filepath: data/08_reporting/runs

    ### Example usage for the Python API

        >>> ManifestFolderDataset(filepath=str(tmp_path / "runs")).load().read_all()
        {}
    """

    def __init__(
        self,
        *,
        filepath: str,
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Name the folder.

        Args:
            filepath: POSIX path, with a protocol such as ``s3://`` where it is not local.
            credentials: Passed to the filesystem.
            fs_args: Passed to the filesystem.
            metadata: Ignored by Kedro, read by plugins.
        """
        protocol, path = get_protocol_and_path(filepath)
        self._path = PurePosixPath(path)
        self._fs = open_filesystem(protocol, fs_args, credentials)
        self.metadata = metadata

    def load(self) -> ManifestFolder:
        """Open the folder, which need not be there yet."""
        return ManifestFolder(self._fs, str(self._path))

    def save(self, data: NoReturn) -> NoReturn:
        """Refuse: a manifest is written by its run alone."""
        raise DatasetError(f"{self._path} holds what runs write of themselves. Use it as an input.")

    def _exists(self) -> bool:
        return bool(self._fs.isdir(str(self._path)))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}


def open_manifests(catalog: DataCatalog) -> ManifestFolder:
    """Open the folder of manifests that a catalog names.

    Raises:
        ValueError: If it names none.
    """
    dataset = catalog.get(RUNS)
    if not isinstance(dataset, ManifestFolderDataset):
        raise ValueError(
            f"The catalog has no entry '{RUNS}' for the manifests of runs. Put it there, with the type "
            f"{ManifestFolderDataset.__module__}.{ManifestFolderDataset.__name__} and the filepath of a folder."
        )
    return dataset.load()
