"""Which runs to keep, and what to remove with the others."""

from collections.abc import Iterable, Iterator, Mapping

from .manifest import Manifest
from .storage import CatalogStorage, StoredPath


def choose_runs_to_keep(manifests: Mapping[str, Manifest], keep: int) -> set[str]:
    """Return the ids of the newest completed runs, named runs, running runs, and the runs that all of these need.

    Args:
        manifests: All manifests by run id, from the oldest to the newest.
        keep: Number of completed runs to keep, not counting named ones.
    """
    completed = [run_id for run_id, run in manifests.items() if run.status == "completed" and not run.name]
    kept = {run_id for run_id, run in manifests.items() if run.name or run.is_running}
    return add_needed_runs({*kept, *completed[max(len(completed) - keep, 0) :]}, manifests)


def add_needed_runs(run_ids: Iterable[str], manifests: Mapping[str, Manifest]) -> set[str]:
    """Return the ids of runs and of all that they read outputs of or build on, at any depth, if they have manifests."""
    chosen = set(run_ids)
    # A run needs older runs only.
    for run_id in reversed(list(manifests)):
        if run_id in chosen:
            chosen |= manifests[run_id].needed_runs
    return chosen & set(manifests)


def list_versions_of(manifest: Manifest, storage: CatalogStorage) -> Iterator[tuple[str, StoredPath]]:
    """Yield the name and folder of each version that a run wrote, whole or not.

    The catalog says where they are, and not the manifest, because the project may be a copy.
    """
    for name in sorted({name for node in manifest.nodes for name in node.outputs if storage.is_versioned(name)}):
        folder = storage.locate_folder(name, manifest.run_id)
        if folder.exists():
            yield name, folder
