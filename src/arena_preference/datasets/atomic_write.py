"""How every file of this project is written: it appears whole or not at all."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import PurePath, PurePosixPath
from typing import IO, Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

#: Ends the name of a file that is being written. One that stays behind is the trace of a run that was killed.
UNFINISHED = ".unfinished"


def open_filesystem(
    protocol: str, fs_args: dict[str, Any] | None, credentials: dict[str, Any] | None
) -> fsspec.AbstractFileSystem:
    """Open a filesystem to write to; a local one makes the folders that a path needs."""
    options = {**deepcopy(fs_args or {}), **deepcopy(credentials or {})}
    if protocol == "file":
        options.setdefault("auto_mkdir", True)
    return fsspec.filesystem(protocol, **options)


@contextmanager
def atomic_write(fs: fsspec.AbstractFileSystem, path: str, mode: str = "wb", **open_args: Any) -> Iterator[IO[Any]]:
    """Open ``path`` for writing so that it appears on success only, under its own name in one step.

    What is written goes to a sibling, which takes the name once it is whole. On a local filesystem the bytes are on the
    disk before that, so that not even a power cut leaves half a file; elsewhere it is as safe as ``fs.mv``.

    Args:
        fs: Where to write.
        path: What is to appear.
        mode: A mode of ``open`` that writes a new file.
        **open_args: Passed to ``fs.open``.
    """
    unfinished = f"{path}.{uuid.uuid4().hex}{UNFINISHED}"
    is_local = isinstance(fs, LocalFileSystem)
    try:
        with fs.open(unfinished, mode, **open_args) as file:
            yield file
            if is_local:
                file.flush()
                os.fsync(file.fileno())
        fs.mv(unfinished, path)
        if is_local:
            sync_folder(PurePosixPath(path).parent)
    except BaseException:
        if fs.exists(unfinished):
            fs.rm(unfinished)
        raise


def sync_folder(folder: PurePath) -> None:
    """Bring a folder's new names to the disk, on systems that open folders."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class AtomicFileSystem:
    """A filesystem whose new files are written by ``atomic_write``; in all else it is the one that it is given."""

    def __init__(self, fs: fsspec.AbstractFileSystem) -> None:
        self.fs = fs

    def open(self, path: str, mode: str = "rb", **open_args: Any) -> Any:
        """Open a file. One that is opened to be written anew appears when it is closed without an error."""
        if "w" in mode or "x" in mode:
            return atomic_write(self.fs, path, mode, **open_args)
        return self.fs.open(path, mode, **open_args)

    def __getattr__(self, name: str) -> Any:
        # Copying and unpickling look for special methods before there is a filesystem to ask.
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.fs, name)
