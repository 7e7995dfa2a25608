"""Paths, sizes and hashes of stored datasets."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from kedro.io import CatalogConfigResolver
from kedro.io.core import get_protocol_and_path
from pydantic import BaseModel

from arena_preference.datasets.atomic_write import TEMPORARY
from arena_preference.datasets.raw_tables_dataset import list_candidates


class StoredDataset(BaseModel):
    """A dataset as it is stored: path, version (None without versions), size in bytes, SHA-256 in hex."""

    path: str
    version: str | None
    size: int
    sha256: str


@dataclass(frozen=True)
class StoredPath:
    """A file or folder on its filesystem."""

    fs: fsspec.AbstractFileSystem
    path: str

    def exists(self) -> bool:
        """Return whether the path exists now, whatever the filesystem has cached."""
        self.fs.invalidate_cache(str(PurePosixPath(self.path).parent))
        return bool(self.fs.exists(self.path))

    def measure(self) -> tuple[int, str]:
        """Return the size in bytes and the SHA-256 in hex; that of a folder is over its files' names and hashes.

        Another run may be writing to a shared folder: temporary files, and files that it has just removed, are skipped.
        """
        if not self.fs.isdir(self.path):
            return self._measure_file(self.path)
        size, digest = 0, hashlib.sha256()
        for path in sorted(self.fs.find(self.path)):
            name = PurePosixPath(path).relative_to(self.path)
            if any(part.endswith(TEMPORARY) for part in name.parts):
                continue
            try:
                file_size, file_hash = self._measure_file(path)
            except FileNotFoundError:
                continue
            size += file_size
            digest.update(f"{file_hash} {name}\n".encode())
        return size, digest.hexdigest()

    def remove(self) -> None:
        """Delete the file, or the folder with its content."""
        self.fs.rm(self.path, recursive=True)

    def _measure_file(self, path: str) -> tuple[int, str]:
        with self.fs.open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        return int(self.fs.size(path)), digest.hexdigest()


class CatalogStorage:
    """Finds the files of a catalog's datasets by its configuration, without loading any."""

    def __init__(self, resolver: CatalogConfigResolver, project_path: Path) -> None:
        self._resolver, self._project_path = resolver, project_path

    def is_stored(self, name: str) -> bool:
        """Return whether the dataset is a file or folder."""
        return not {"filepath", "path"}.isdisjoint(self._get_config(name))

    def is_versioned(self, name: str) -> bool:
        """Return whether each run writes a version of the dataset."""
        return self.is_stored(name) and bool(self._get_config(name).get("versioned"))

    def locate(self, name: str, version: str | None = None) -> StoredPath:
        """Return the path of a dataset, or of a version: Kedro's ``<filepath>/<version>/<name of the file>``."""
        config = self._get_config(name)
        protocol, path = get_protocol_and_path(config.get("filepath") or config["path"])
        if protocol == "file":
            path = (self._project_path / path).as_posix()
        options = {**(config.get("fs_args") or {}), **(config.get("credentials") or {})}
        fs = fsspec.filesystem(protocol, **{key: options[key] for key in options if not key.startswith("open_args")})
        return StoredPath(fs, path if version is None else f"{path}/{version}/{PurePosixPath(path).name}")

    def locate_folder(self, name: str, version: str) -> StoredPath:
        """Return the folder of a version, which can also hold temporary files."""
        dataset = self.locate(name)
        return StoredPath(dataset.fs, f"{dataset.path}/{version}")

    def find_unversioned(self, name: str) -> StoredPath | None:
        """Return the path of a dataset without versions; None if it does not exist. Raw files may have any suffix."""
        dataset = self.locate(name)
        candidates = [StoredPath(dataset.fs, path) for path in (dataset.path, *list_candidates(dataset.path))]
        return next((candidate for candidate in candidates if candidate.exists()), None)

    def record(self, stored: StoredPath, version: str | None) -> StoredDataset:
        """Return the record of a path; one inside the project is relative, so that it also holds in a copy."""
        path, project_path = PurePosixPath(stored.path), self._project_path.as_posix()
        if "file" not in stored.fs.protocol:
            path = stored.fs.unstrip_protocol(stored.path)
        elif path.is_relative_to(project_path):
            path = path.relative_to(project_path)
        size, sha256 = stored.measure()
        return StoredDataset(path=str(path), version=version, size=size, sha256=sha256)

    def list_versions(self, name: str) -> Iterator[tuple[str, StoredPath]]:
        """Yield the name and folder of each version, complete or not."""
        dataset = self.locate(name)
        dataset.fs.invalidate_cache(dataset.path)
        if dataset.fs.isdir(dataset.path):
            for folder in sorted(dataset.fs.ls(dataset.path, detail=False)):
                yield PurePosixPath(folder).name, StoredPath(dataset.fs, str(folder))

    def _get_config(self, name: str) -> dict[str, Any]:
        is_known = name in self._resolver.config or self._resolver.match_dataset_pattern(name)
        return self._resolver.resolve_pattern(name) if is_known else {}
