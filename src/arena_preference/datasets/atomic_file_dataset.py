"""What the datasets of this package share: one versioned file that appears whole or not at all."""

from abc import abstractmethod
from pathlib import PurePosixPath
from typing import Any, TypeVar

from kedro.io.core import AbstractVersionedDataset, DatasetError, Version, get_filepath_str, get_protocol_and_path

from .atomic_write import atomic_write, open_filesystem

Data = TypeVar("Data")


class AtomicFileDataset(AbstractVersionedDataset[Data, Data]):
    """A file on any fsspec filesystem whose content ``encode`` and ``decode`` turn from and into an object."""

    def __init__(
        self,
        *,
        filepath: str,
        version: Version | None = None,
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Point the dataset at a file.

        Args:
            filepath: POSIX path, with a protocol such as ``s3://`` where it is not local.
            version: Kedro's load and save version.
            credentials: Passed to the filesystem.
            fs_args: Passed to the filesystem.
            metadata: Ignored by Kedro, read by plugins.
        """
        protocol, path = get_protocol_and_path(filepath, version)
        self._protocol = protocol
        self._fs = open_filesystem(protocol, fs_args, credentials)
        self.metadata = metadata
        super().__init__(
            filepath=PurePosixPath(path),
            version=version,
            exists_function=self._fs.exists,
            glob_function=self._fs.glob,
        )

    @abstractmethod
    def encode(self, data: Data) -> bytes:
        """Turn the object into the file's bytes."""

    @abstractmethod
    def decode(self, content: bytes) -> Data:
        """Turn the file's bytes back into the object, running no code that they carry."""

    def load(self) -> Data:
        """Read the file.

        Raises:
            DatasetError: If it is not what this type writes.
        """
        path = get_filepath_str(self._get_load_path(), self._protocol)
        content = self._fs.cat_file(path)
        try:
            return self.decode(content)
        except DatasetError:
            raise
        # Each library has errors of its own for a file that it cannot read.
        except Exception as reason:
            raise DatasetError(
                f"{path} is damaged or is not what {type(self).__name__} writes ({type(reason).__name__}: {reason}). "
                "Run the pipeline that makes it again, or remove this version of it."
            ) from reason

    def save(self, data: Data) -> None:
        """Write the file, whole or not at all."""
        content = self.encode(data)
        with atomic_write(self._fs, get_filepath_str(self._get_save_path(), self._protocol)) as file:
            file.write(content)
        self._invalidate_cache()

    def _exists(self) -> bool:
        try:
            path = get_filepath_str(self._get_load_path(), self._protocol)
        except DatasetError:
            return False
        return bool(self._fs.exists(path))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "protocol": self._protocol, "version": self._version}

    def _release(self) -> None:
        super()._release()
        self._invalidate_cache()

    def _invalidate_cache(self) -> None:
        self._fs.invalidate_cache(get_filepath_str(self._filepath, self._protocol))
