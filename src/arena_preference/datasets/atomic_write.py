"""Atomic writing: a file appears complete or not at all."""

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
    workers without hooks also write atomically. Outside a run only this package's own types do.
    """

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Replace the filesystem of each dataset that the run reads or writes."""
        for dataset in filter(None, map(catalog.get, pipeline.datasets())):
            # Private, as there is no public way; all file datasets of kedro-datasets write with `self._fs.open` only. A
            # filesystem registered with fsspec would not do: in text mode, `io.TextIOWrapper` also closes the file
            # after an error, which would commit it.
            fs = getattr(dataset, "_fs", None)
            if isinstance(fs, fsspec.AbstractFileSystem):
                dataset._fs = AtomicFileSystem(fs)


class AtomicFileSystem:
    """A wrapper of a filesystem that opens files for writing with ``atomic_write``."""

    def __init__(self, fs: fsspec.AbstractFileSystem) -> None:
        self.fs = fs

    def open(self, path: str, mode: str = "rb", **open_args: Any) -> Any:
        """Open a file; one that is written appears when the ``with`` block ends without an error."""
        return atomic_write(self.fs, path, mode, **open_args) if "w" in mode else self.fs.open(path, mode, **open_args)

    def __getattr__(self, name: str) -> Any:
        # `copy` and `pickle` look for special methods before `fs` is set.
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.fs, name)


@contextmanager
def atomic_write(fs: fsspec.AbstractFileSystem, path: str, mode: str = "wb", **open_args: Any) -> Iterator[IO[Any]]:
    """Open ``path`` for writing through a temporary file beside it, which is renamed after the last byte.

    On a local filesystem the bytes are on disk before the rename, so that not even a power failure leaves half a file.
    Elsewhere it is as atomic as ``fs.mv``; object stores show only complete objects.
    """
    with temporary_path(fs, path) as temporary, fs.open(temporary, mode, **open_args) as file:
        yield file
        if isinstance(fs, LocalFileSystem):
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def temporary_path(
    fs: "fsspec.AbstractFileSystem | AtomicFileSystem", path: str, *, recursive: bool = False
) -> Iterator[str]:
    """Yield a path beside ``path``; afterwards rename it to ``path``, or remove it after an error."""
    temporary = f"{path}.{uuid.uuid4().hex}{TEMPORARY}"
    try:
        yield temporary
        fs.mv(temporary, path, recursive=recursive)
        if isinstance(fs.fs if isinstance(fs, AtomicFileSystem) else fs, LocalFileSystem):
            sync_folder(PurePosixPath(path).parent)
    except BaseException:
        if fs.exists(temporary):
            fs.rm(temporary, recursive=recursive)
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
