"""Base classes of this package's datasets."""

from abc import abstractmethod
from pathlib import PurePosixPath
from typing import Any, TypeVar

import fsspec
from kedro.io.core import AbstractVersionedDataset, DatasetError, Version, get_filepath_str, get_protocol_and_path

from .atomic_write import AtomicFileSystem

Saved = TypeVar("Saved")
Loaded = TypeVar("Loaded")
Data = TypeVar("Data")


class PathDataset(AbstractVersionedDataset[Saved, Loaded]):
    """A file or folder on any fsspec filesystem, to which ``_fs.open`` writes atomically."""

    def __init__(
        self,
        *,
        filepath: str,
        version: Version | None = None,
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Point the dataset at a path.

        Args:
            filepath: POSIX path, with a protocol such as ``s3://`` unless it is local.
            version: Kedro's load and save version.
            credentials: Passed to the filesystem.
            fs_args: Passed to the filesystem.
            metadata: Ignored by Kedro, read by plugins.
        """
        self._protocol, path = get_protocol_and_path(filepath, version)
        defaults = {"auto_mkdir": True} if self._protocol == "file" else {}
        fs = fsspec.filesystem(self._protocol, **{**defaults, **(fs_args or {}), **(credentials or {})})
        self._fs = AtomicFileSystem(fs)
        self.metadata = metadata
        super().__init__(
            filepath=PurePosixPath(path),
            version=version,
            exists_function=self._is_complete,
            glob_function=self._fs.glob,
        )

    def _is_complete(self, path: str) -> bool:
        return bool(self._fs.exists(path))

    def _exists(self) -> bool:
        try:
            return self._is_complete(get_filepath_str(self._get_load_path(), self._protocol))
        except DatasetError:
            return False

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "protocol": self._protocol, "version": self._version}

    def _release(self) -> None:
        super()._release()
        self._invalidate_cache()

    def _invalidate_cache(self) -> None:
        self._fs.invalidate_cache(get_filepath_str(self._filepath, self._protocol))


class FileDataset(PathDataset[Data, Data]):
    """A file whose content ``encode`` and ``decode`` convert from and to an object."""

    @abstractmethod
    def encode(self, data: Data) -> bytes:
        """Return the file's content."""

    @abstractmethod
    def decode(self, content: bytes) -> Data:
        """Return the object, without running code from the file."""

    def load(self) -> Data:
        """Read the file.

        Raises:
            DatasetError: If this type did not write it.
        """
        path = get_filepath_str(self._get_load_path(), self._protocol)
        content = self._fs.cat_file(path)
        try:
            return self.decode(content)
        except DatasetError:
            raise
        # Each library raises different errors for files that it cannot read.
        except Exception as reason:
            raise DatasetError(
                f"{path} is corrupted or was not written by {type(self).__name__} ({type(reason).__name__}: {reason}). "
                "Run the pipeline that writes it again, or remove this version."
            ) from reason

    def save(self, data: Data) -> None:
        """Write the file atomically."""
        content = self.encode(data)
        with self._fs.open(get_filepath_str(self._get_save_path(), self._protocol), "wb") as file:
            file.write(content)
        self._invalidate_cache()
