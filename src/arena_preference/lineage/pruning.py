"""Chooses the runs to keep, and finds what to remove with the others."""

from collections.abc import Iterable, Iterator

from .manifest import Manifest, Manifests
from .storage import CatalogStorage, StoredPath


def choose_runs_to_keep(manifests: Manifests, keep: int) -> set[str]:
    """Return the ids of the ``keep`` newest completed runs, named and running runs, and the runs that these need."""
    completed = [run_id for run_id, run in manifests.items() if run.status == "completed" and not run.name]
    kept = {run_id for run_id, run in manifests.items() if run.name or run.is_running}
    return add_needed_runs({*kept, *completed[max(len(completed) - keep, 0) :]}, manifests)


def add_needed_runs(run_ids: Iterable[str], manifests: Manifests) -> set[str]:
    """Return the ids of runs and of all runs with manifests that they read or build on, at any depth."""
    chosen = set(run_ids)
    # A run needs older runs only.
    for run_id in reversed(manifests):
        if run_id in chosen:
            chosen |= manifests[run_id].needed_runs
    return chosen & set(manifests)


def list_versions_of(manifest: Manifest, storage: CatalogStorage) -> Iterator[tuple[str, StoredPath]]:
    """Yield the name and folder of each version that a run wrote, complete or not.

    The paths are the catalog's, not the manifest's, because the project may be a copy.
    """
    for name in sorted({name for node in manifest.nodes for name in node.outputs if storage.is_versioned(name)}):
        folder = storage.locate_folder(name, manifest.run_id)
        if folder.exists():
            yield name, folder
