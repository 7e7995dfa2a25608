"""Checks that stored versions are what runs wrote."""

from collections.abc import Iterator, Mapping

from .manifest import Manifests
from .storage import CatalogStorage, StoredDataset

#: A dataset's name and version.
VersionKey = tuple[str, str]


def check_versions(
    expected: Mapping[VersionKey, StoredDataset | None], storage: CatalogStorage
) -> tuple[dict[VersionKey, StoredDataset], list[str]]:
    """Return the records of versions, and a line for each that is missing or differs from its record, unless None."""
    found, problems = {}, []
    for (name, version), before in sorted(expected.items()):
        if not storage.is_versioned(name):
            problems.append(f"{name}, version {version}: the catalog has no versioned dataset of that name")
            continue
        path = storage.locate(name, version)
        if not path.exists():
            problems.append(f"{name}, version {version}: {path.path} is missing")
            continue
        now = found[name, version] = storage.record(path, version)
        if before and now.sha256 != before.sha256:
            problems.append(
                f"{name}, version {version}: {path.path} has {now.size} bytes, SHA-256 {now.sha256[:12]}..., "
                f"but the run wrote {before.size} bytes, SHA-256 {before.sha256[:12]}..."
            )
    return found, problems


def find_changes(manifests: Manifests, storage: CatalogStorage) -> list[str]:
    """Return a line for each version that was changed since these runs read or wrote it."""
    recorded = {
        (name, stored.version): stored
        for manifest in manifests.values()
        for name, stored in {**manifest.read, **manifest.written}.items()
        if stored.version
    }
    return check_versions(recorded, storage)[1]


def find_unexplained(manifests: Manifests, storage: CatalogStorage) -> Iterator[str]:
    """Yield a line for each stored version of these runs' datasets that none of the runs can have written."""
    explained = {
        (name, run_id) for run_id, manifest in manifests.items() for node in manifest.nodes for name in node.outputs
    }
    for name in sorted({name for name, _ in explained if storage.is_versioned(name)}):
        for version, folder in storage.list_versions(name):
            if (name, version) not in explained:
                yield f"{name}, version {version}: no manifest has a run that wrote {folder.path}"
