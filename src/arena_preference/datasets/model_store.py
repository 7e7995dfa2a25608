"""A growing folder of trained models."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .atomic_write import TEMPORARY, sync_folder


class ModelStore:
    """Models in folders named by a hash of everything that the model depends on.

    A model in training has a working folder, which survives the run; a complete one is renamed to its key.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, key: str) -> Path | None:
        """Return the folder of a complete model, or None."""
        folder = self.path / key
        return folder if folder.is_dir() else None

    def hash(self, key: str) -> str:
        """Return the SHA-256 over the names, sizes and contents of a model's files."""
        folder, digest = self.path / key, hashlib.sha256()
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest.update(f"{path.relative_to(folder).as_posix()} {path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                hashlib.file_digest(file, lambda: digest)
        return digest.hexdigest()

    @contextmanager
    def work_on(self, key: str) -> Iterator[Path]:
        """Lock a model and yield its working folder.

        Another process may hold the lock first: after acquiring it, check again whether the model exists.
        """
        from filelock import FileLock

        folder = self.path / f"{key}{TEMPORARY}"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path / f"{key}.lock"):
            yield folder

    def commit(self, key: str, model: Path) -> Path:
        """Rename ``model``, a folder inside the working folder, to its final path, and return that."""
        for path in model.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        target = self.path / key
        model.replace(target)
        sync_folder(self.path)
        shutil.rmtree(self.path / f"{key}{TEMPORARY}")
        return target
