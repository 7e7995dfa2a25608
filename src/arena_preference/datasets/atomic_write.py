"""Atomic writing: a file appears under its name whole, or not at all."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath, PurePosixPath
from typing import IO, Any, Final

import fsspec
from fsspec.implementations.local import LocalFileSystem
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

#: Suffix of a file that is being written. A run that was killed may leave one behind.
TEMPORARY: Final = ".tmp"


class AtomicWriteHooks:
    """Kedro hooks that make every file dataset of a run write atomically, the types of kedro-datasets included.

    The datasets are changed in the process that starts the run, before its runner copies or pickles them, so that
    workers, in which no hook may run, write atomically too. Outside a run only this package's own types do.
    """

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Replace the filesystem of each dataset that the run reads or writes."""
        for dataset in filter(None, map(catalog.get, pipeline.datasets())):
            # Private, but all file datasets of kedro-datasets have it and write with `self._fs.open` only; there is no
            # public way. A subclass registered with fsspec would not do: in text mode, `io.TextIOWrapper` closes the
            # file after an error too, which would commit it.
            fs = getattr(dataset, "_fs", None)
            if isinstance(fs, fsspec.AbstractFileSystem):
                dataset._fs = AtomicFileSystem(fs)


class AtomicFileSystem:
    """A filesystem whose mode ``w`` writes through ``atomic_write``; everything else is left to the one it wraps."""

    def __init__(self, fs: fsspec.AbstractFileSystem) -> None:
        self.fs = fs

    def open(self, path: str, mode: str = "rb", **open_args: Any) -> Any:
        """Open a file. If it is opened for writing, it appears when the ``with`` block ends without an error."""
        if "w" in mode:
            return atomic_write(self.fs, path, mode, **open_args)
        return self.fs.open(path, mode, **open_args)

    def __getattr__(self, name: str) -> Any:
        # `copy` and `pickle` look for special methods before `fs` is set.
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.fs, name)


@contextmanager
def atomic_write(fs: fsspec.AbstractFileSystem, path: str, mode: str = "wb", **open_args: Any) -> Iterator[IO[Any]]:
    """Open ``path`` for writing through a temporary file beside it, which is renamed after the last byte.

    On a local filesystem the bytes are on disk before the rename, so that not even a power cut leaves half a file.
    Elsewhere the file appears as atomically as ``fs.mv`` makes it; object stores show an object only when it is whole.

    Args:
        fs: Filesystem of ``path``.
        path: Path of the file.
        mode: Mode of ``open``, with ``w``.
        **open_args: Passed to ``fs.open``.
    """
    temporary = f"{path}.{uuid.uuid4().hex}{TEMPORARY}"
    is_local = isinstance(fs, LocalFileSystem)
    try:
        with fs.open(temporary, mode, **open_args) as file:
            yield file
            if is_local:
                file.flush()
                os.fsync(file.fileno())
        fs.mv(temporary, path)
        if is_local:
            sync_folder(PurePosixPath(path).parent)
    except BaseException:
        if fs.exists(temporary):
            fs.rm(temporary)
        raise


def sync_folder(folder: PurePath) -> None:
    """Flush a folder's entries to disk, on systems where folders can be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_filesystem(
    protocol: str, fs_args: dict[str, Any] | None = None, credentials: dict[str, Any] | None = None
) -> fsspec.AbstractFileSystem:
    """Return the filesystem of a protocol; a local one creates missing folders."""
    defaults = {"auto_mkdir": True} if protocol == "file" else {}
    return fsspec.filesystem(protocol, **{**defaults, **(fs_args or {}), **(credentials or {})})
