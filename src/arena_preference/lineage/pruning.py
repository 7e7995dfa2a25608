"""Which runs may go, and what goes with them."""

from collections.abc import Iterable, Iterator, Mapping

from .manifest import Manifest
from .storage import CatalogStorage, StoredPath


def choose_runs_to_keep(manifests: Mapping[str, Manifest], keep: int) -> set[str]:
    """Choose the runs that stay: the newest complete ones, those with a name, those under way, and all that these need.

    Args:
        manifests: All manifests by run id, from the oldest to the newest.
        keep: How many complete runs to keep, those with a name not counted.

    Returns:
        Ids of the runs to keep.
    """
    completed = [run_id for run_id, run in manifests.items() if run.status == "completed" and not run.name]
    chosen = set(completed[len(completed) - keep :] if keep < len(completed) else completed)
    return add_needed_runs(
        chosen | {run_id for run_id, run in manifests.items() if run.name or run.is_under_way()}, manifests
    )


def add_needed_runs(run_ids: Iterable[str], manifests: Mapping[str, Manifest]) -> set[str]:
    """Add to some runs those whose outputs they read or build on, and so on, as far as there are manifests."""
    chosen = set(run_ids)
    # A run needs older runs only.
    for run_id in reversed(list(manifests)):
        if run_id in chosen:
            chosen |= manifests[run_id].needed_runs
    return chosen & set(manifests)


def list_versions_of(manifest: Manifest, storage: CatalogStorage) -> Iterator[tuple[str, StoredPath]]:
    """Give the name and folder of each version that a run has written, whole or not.

    They are looked for where the catalog has its datasets now, and not at the paths in the manifest: the folder may be
    a copy.
    """
    for name in sorted({name for node in manifest.nodes for name in node.outputs}):
        if storage.is_versioned(name):
            folder = storage.locate_folder(name, manifest.run_id)
            if folder.exists():
                yield name, folder
