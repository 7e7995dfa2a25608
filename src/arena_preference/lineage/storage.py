"""Where the versions of a dataset lie, how big they are and what their bytes hash to."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from kedro.io import CatalogConfigResolver
from kedro.io.core import get_protocol_and_path
from pydantic import BaseModel

from arena_preference.datasets.atomic_write import UNFINISHED

_BLOCK = 2**20
#: What a file's name may end with when it lies there packed.
_PACKED = (".gz", ".zip")


class StoredDataset(BaseModel):
    """A dataset as it is stored: where, which version (None if it has none), bytes, SHA-256 in hex."""

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
        """Tell whether it is there now."""
        self.fs.invalidate_cache(str(PurePosixPath(self.path).parent))
        return bool(self.fs.exists(self.path))

    def measure(self) -> tuple[int, str]:
        """Read it: bytes, and SHA-256 in hex.

        The hash of a folder is that of its files' relative names and hashes. Another run may be writing to a folder
        that all runs share: files that it has not finished, or takes away meanwhile, do not count.
        """
        if not self.fs.isdir(self.path):
            return self._measure_file(self.path)
        size, digest = 0, hashlib.sha256()
        for path in sorted(self.fs.find(self.path)):
            # A folder may be unfinished, too.
            if any(part.endswith(UNFINISHED) for part in PurePosixPath(path).relative_to(self.path).parts):
                continue
            try:
                file_size, file_hash = self._measure_file(path)
            except FileNotFoundError:
                continue
            size += file_size
            digest.update(f"{file_hash} {PurePosixPath(path).relative_to(self.path)}\n".encode())
        return size, digest.hexdigest()

    def count_bytes(self) -> int:
        """Tell how much room it takes."""
        return int(self.fs.du(self.path))

    def remove(self) -> None:
        """Delete it, with all that a folder holds."""
        self.fs.rm(self.path, recursive=True)

    def _measure_file(self, path: str) -> tuple[int, str]:
        size, digest = 0, hashlib.sha256()
        with self.fs.open(path, "rb") as file:
            while block := file.read(_BLOCK):
                size += len(block)
                digest.update(block)
        return size, digest.hexdigest()


class CatalogStorage:
    """Finds the files of a catalog's datasets by the catalog's configuration alone, without loading any."""

    def __init__(self, resolver: CatalogConfigResolver, project_path: Path) -> None:
        """Take a catalog's resolved configuration.

        Args:
            resolver: Of the catalog.
            project_path: What relative paths are relative to.
        """
        self._resolver = resolver
        self._project_path = project_path

    def is_stored(self, name: str) -> bool:
        """Tell whether the dataset is one file or folder, so that its bytes can be known."""
        return "filepath" in self._configuration(name)

    def is_versioned(self, name: str) -> bool:
        """Tell whether each run writes a version of its own."""
        return self.is_stored(name) and bool(self._configuration(name).get("versioned"))

    def locate(self, name: str, version: str | None = None) -> StoredPath:
        """Give the place of a version, or of the whole dataset: Kedro's ``<filepath>/<version>/<name of the file>``."""
        configuration = self._configuration(name)
        place = self._place(configuration["filepath"], configuration)
        if version is None:
            return place
        return StoredPath(place.fs, f"{place.path}/{version}/{PurePosixPath(place.path).name}")

    def locate_folder(self, name: str, version: str) -> StoredPath:
        """Give the folder of a version, which may hold what was left unfinished too."""
        place = self.locate(name)
        return StoredPath(place.fs, f"{place.path}/{version}")

    def find_unversioned(self, name: str) -> StoredPath | None:
        """Give the place of a dataset without versions, which may lie there packed; None if it is not there."""
        place = self.locate(name)
        spellings = [StoredPath(place.fs, place.path + suffix) for suffix in ("", *_PACKED)]
        return next((spelling for spelling in spellings if spelling.exists()), None)

    def record(self, place: StoredPath, version: str | None) -> StoredDataset:
        """Read the size and hash of what lies at a place."""
        size, sha256 = place.measure()
        return StoredDataset(path=self.relative_path(place), version=version, size=size, sha256=sha256)

    def relative_path(self, place: StoredPath) -> str:
        """Write a place down so that it holds where the project is copied to another folder."""
        try:
            return PurePosixPath(place.path).relative_to(self._project_path.as_posix()).as_posix()
        except ValueError:
            return str(place.fs.unstrip_protocol(place.path)) if "file" not in place.fs.protocol else place.path

    def list_versions(self, name: str) -> Iterator[tuple[str, StoredPath]]:
        """Give each version's name and folder, whole or not."""
        place = self.locate(name)
        place.fs.invalidate_cache(place.path)
        if place.fs.isdir(place.path):
            for folder in sorted(place.fs.ls(place.path, detail=False)):
                yield PurePosixPath(folder).name, StoredPath(place.fs, str(folder))

    def _configuration(self, name: str) -> dict[str, Any]:
        known = name in self._resolver.config or self._resolver.match_dataset_pattern(name)
        return self._resolver.resolve_pattern(name) if known else {}

    def _place(self, filepath: str, configuration: dict[str, Any]) -> StoredPath:
        protocol, path = get_protocol_and_path(filepath)
        if protocol == "file" and not PurePosixPath(path).is_absolute():
            path = (self._project_path / path).as_posix()
        fs_args = {
            name: value
            for name, value in (configuration.get("fs_args") or {}).items()
            if name not in ("open_args_load", "open_args_save")
        }
        return StoredPath(fsspec.filesystem(protocol, **fs_args, **(configuration.get("credentials") or {})), path)
