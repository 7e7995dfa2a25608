"""Whether what is stored is what runs wrote."""

from collections.abc import Iterator, Mapping

from .manifest import Manifest
from .storage import CatalogStorage, StoredDataset


def find_changes(manifests: Mapping[str, Manifest], storage: CatalogStorage) -> Iterator[str]:
    """Compare with the disk the versions that these runs wrote, and those they read as they were when they read them.

    Args:
        manifests: Of the runs to look at, by run id.
        storage: Where the versions lie.

    Yields:
        A sentence for each version that is gone or has other bytes.
    """
    recorded: dict[tuple[str, str], StoredDataset] = {}
    for manifest in manifests.values():
        for name, stored in {**manifest.read, **manifest.written}.items():
            if stored.version:
                recorded[name, stored.version] = stored
    for (name, version), before in sorted(recorded.items()):
        if not storage.is_versioned(name):
            yield f"{name}, version {version}: the catalog has no such dataset with versions any more"
            continue
        place = storage.locate(name, version)
        if not place.exists():
            yield f"{name}, version {version}: {place.path} is gone"
            continue
        now = storage.record(place, version)
        if now.sha256 != before.sha256:
            yield (
                f"{name}, version {version}: {place.path} has {now.size} bytes, SHA-256 {now.sha256[:12]}..., written "
                f"were {before.size} bytes, SHA-256 {before.sha256[:12]}..."
            )


def find_unexplained(manifests: Mapping[str, Manifest], storage: CatalogStorage) -> Iterator[str]:
    """Look for versions of these runs' datasets that no run can have written.

    Args:
        manifests: All manifests by run id.
        storage: Where the versions lie.

    Yields:
        A sentence for each.
    """
    explained = {
        (name, run_id) for run_id, manifest in manifests.items() for node in manifest.nodes for name in node.outputs
    }
    for name in sorted({name for name, _ in explained if storage.is_versioned(name)}):
        for version, folder in storage.list_versions(name):
            if (name, version) not in explained:
                yield f"{name}, version {version}: no manifest tells of {folder.path}"
