"""A growing folder of trained models."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

from kedro.io import AbstractDataset
from kedro.io.core import DatasetError

from .atomic_write import UNFINISHED, sync_folder

_BLOCK: Final = 1 << 20


class ModelStore:
    """Models in folders, each under the key of all that it was made of.

    A model that is being made has a folder to work in, which outlives the run; when it is made it takes its place in
    one step.
    """

    def __init__(self, path: Path) -> None:
        """Take the folder of the store."""
        self.path = path

    def find(self, key: str) -> Path | None:
        """Give the folder of a whole model, or None where there is none."""
        folder = self.path / key
        return folder if folder.is_dir() else None

    def hash(self, key: str) -> str:
        """Give the SHA-256 over the names and contents of a model's files."""
        folder, digest = self.path / key, hashlib.sha256()
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest.update(f"{path.relative_to(folder).as_posix()} {path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
        return digest.hexdigest()

    @contextmanager
    def work_on(self, key: str) -> Iterator[Path]:
        """Give the folder to make a model in; another process that makes the same one is waited for.

        Whoever gets it looks whether the model is there meanwhile.
        """
        from filelock import FileLock

        folder = self.path / f"{key}{UNFINISHED}"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path / f"{key}.lock"):
            yield folder

    def finish(self, key: str, model: Path) -> Path:
        """Put a whole model in its place, and remove what it was made with.

        Args:
            key: Its key.
            model: A folder within the one that ``work_on`` gave.

        Returns:
            The folder of the model.
        """
        for path in model.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        target = self.path / key
        model.replace(target)
        sync_folder(self.path)
        shutil.rmtree(self.path / f"{key}{UNFINISHED}")
        return target


class ModelStoreDataset(AbstractDataset[ModelStore, Any]):
    """Opens a store of trained models on the local disk. It only grows, and models are put into it by what makes them.

    ### Example usage for the YAML API

        cross_encoder_store:
          type: arena_preference.datasets.ModelStoreDataset
          filepath: data/06_models/cross_encoder_store

    ### Example usage for the Python API

        >>> store = ModelStoreDataset(filepath=str(tmp_path / "store")).load()
        >>> with store.work_on("a-key") as folder:
        ...     (folder / "model").mkdir()
        ...     store.finish("a-key", folder / "model").name
        'a-key'
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the folder.

        Args:
            filepath: A local folder; it is made when the first model is.
            metadata: For plugins such as Kedro-Viz; not used here.
        """
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> ModelStore:
        """Open the store."""
        return ModelStore(self._filepath)

    def save(self, data: Any) -> NoReturn:
        """Refuse: models are put into the store as they are made."""
        raise DatasetError(f"{self._filepath} is written by training alone. Use it as an input.")

    def _exists(self) -> bool:
        return self._filepath.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
