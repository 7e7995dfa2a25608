"""The manifest of a run, and the folder of all manifests."""

import logging
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from arena_preference.datasets.atomic_write import atomic_write

from .environment import RunProcess
from .storage import CatalogStorage, StoredDataset, StoredPath

logger = logging.getLogger(__name__)

#: The catalog's entry for the folder of manifests.
RUNS: Final = "runs"

Status = Literal["running", "completed", "failed", "interrupted"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NodeRecord(_Record):
    """A node with its inputs and outputs, and once it has run, the seconds and peak memory (bytes) of its function."""

    name: str
    inputs: list[str]
    outputs: list[str]
    seconds: float | None = None
    peak_memory: int | None = None


class Manifest(_Record):
    """Command, parameters, environment, inputs, outputs and outcome of one run."""

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
        """Duration of the run; None if it has not ended."""
        return (self.ended - self.started).total_seconds() if self.ended else None

    @property
    def written_versions(self) -> set[str]:
        """Names of the datasets of which this run wrote a version."""
        return {name for name, stored in self.written.items() if stored.version}

    @property
    def needed_runs(self) -> set[str]:
        """Ids of the runs that this one read outputs of or builds on."""
        return {run_id for run_id in (self.from_run, *(stored.version for stored in self.read.values())) if run_id}

    @property
    def is_running(self) -> bool:
        """Whether the run's process is alive; a run that was killed could not record its end."""
        return self.status == "running" and self.process.is_alive()

    @property
    def final_status(self) -> str:
        """The status, or "killed" for a run that did not record its end."""
        return "killed" if self.status == "running" and not self.is_running else self.status


#: Manifests by run id, from the oldest run to the newest.
Manifests = dict[str, Manifest]


class ManifestFolder:
    """One JSON file per run, ``<run id>.json``."""

    def __init__(self, folder: StoredPath) -> None:
        self._fs, self._path = folder.fs, folder.path

    def read_all(self) -> Manifests:
        """Return all manifests; empty files, whose run was killed as it started, and invalid ones are skipped."""
        self._fs.invalidate_cache(self._path)
        manifests = {}
        for path in sorted(self._fs.ls(self._path, detail=False)) if self._fs.isdir(self._path) else ():
            if not path.endswith(".json") or not (text := self._fs.cat_file(path)):
                continue
            try:
                manifest = Manifest.model_validate_json(text)
            except ValidationError as reason:
                logger.warning("%s is not a manifest and is skipped: %s", path, reason)
            else:
                manifests[manifest.run_id] = manifest
        return manifests

    def find(self, run: str, *, other_than: str | None = None) -> Manifest:
        """Return the manifest of a run by its id, its name, or a prefix of its id that no other run has.

        Raises:
            ValueError: If no run or more than one matches. The run ``other_than`` is not searched.
        """
        others = [manifest for manifest in self.read_all().values() if manifest.run_id != other_than]
        found = [manifest for manifest in others if run in (manifest.run_id, manifest.name)]
        found = found or [manifest for manifest in others if manifest.run_id.startswith(run)]
        if len(found) == 1:
            return found[0]
        raise ValueError(
            f"{run!r} is not the id or name of a run, and {len(found) or 'no'} run ids begin with it. "
            "`kedro runs list` shows all runs."
        )

    def create(self, manifest: Manifest) -> None:
        """Write the first manifest of a run.

        Raises:
            FileExistsError: If another run has the same id.
        """
        self._fs.makedirs(self._path, exist_ok=True)
        try:
            # Of two runs that start in the same millisecond, only one can create the file.
            self._fs.open(self._file(manifest.run_id), "xb").close()
        except FileExistsError as error:
            raise FileExistsError(
                f"Run {manifest.run_id} exists: another run started in the same millisecond. Start this one again."
            ) from error
        self.write(manifest)

    def write(self, manifest: Manifest) -> None:
        """Write a manifest atomically, over an earlier one of the same run."""
        with atomic_write(self._fs, self._file(manifest.run_id)) as file:
            file.write(manifest.model_dump_json(indent=2).encode())

    def open_profiles(self, run_id: str) -> StoredPath:
        """Return the folder for the profiles of a run's nodes, which exists until the run ends."""
        return StoredPath(self._fs, f"{self._path}/{run_id}.nodes")

    def remove(self, run_id: str) -> None:
        """Delete the manifest of a run, and the profiles if the run was killed."""
        self._fs.rm(self._file(run_id))
        profiles = self.open_profiles(run_id)
        if profiles.exists():
            profiles.remove()

    def _file(self, run_id: str) -> str:
        return f"{self._path}/{run_id}.json"


def open_manifests(storage: CatalogStorage) -> ManifestFolder:
    """Return the folder of manifests that a catalog names.

    Raises:
        ValueError: If the catalog has no such entry.
    """
    if not storage.is_stored(RUNS):
        raise ValueError(
            f"The catalog has no entry '{RUNS}' for the manifests of runs. Add one with type "
            "partitions.PartitionedDataset, the path of a folder, dataset json.JSONDataset and filename_suffix .json."
        )
    return ManifestFolder(storage.locate(RUNS))
