"""A dataset for local paths that a function opens, and two such functions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kedro.io.core import AbstractDataset, DatasetError
from kedro.utils import load_obj

if TYPE_CHECKING:
    from optuna.storages import JournalStorage


class HandleDataset(AbstractDataset[NoReturn, Any]):
    """A local path that ``load`` opens with a function; nodes write through the object that it returns.

    ### Example usage for the YAML API

        cross_encoder_store:
          type: arena_preference.datasets.HandleDataset
          filepath: data/04_feature/cross_encoder_store
          opener: arena_preference.datasets.ModelStore

    ### Example usage for the Python API

        >>> store = HandleDataset(filepath=str(tmp_path / "store"), opener=ModelStore).load()
        >>> with store.work_on("a-key") as folder:
        ...     (folder / "model").mkdir()
        ...     store.commit("a-key", folder / "model").name
        'a-key'
    """

    def __init__(
        self, *, filepath: str, opener: str | Callable[[Path], Any], metadata: dict[str, Any] | None = None
    ) -> None:
        """Set the path, which need not exist, and the function of a ``Path`` or its dotted name."""
        self._filepath = Path(filepath)
        self._opener = opener
        self.metadata = metadata

    def load(self) -> Any:
        """Return what the opener returns."""
        opener = load_obj(self._opener) if isinstance(self._opener, str) else self._opener
        return opener(self._filepath)

    def save(self, data: NoReturn) -> NoReturn:
        """Reject the data: nodes write through the loaded object."""
        raise DatasetError(f"{self._filepath} cannot be saved to. Use the dataset as an input of the node.")

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "opener": self._opener}


def open_optuna_journal(path: Path) -> "JournalStorage":
    """Return an Optuna storage that appends trials to a file: a killed run loses at most one trial.

    Raises:
        DatasetError: If Optuna is not installed.
    """
    try:
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ModuleNotFoundError as reason:
        raise DatasetError(
            "Optuna is not installed, and the pipeline tuning needs it: pip install 'arena-preference[tuning]'."
        ) from reason
    path.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(path)))


def read_optional_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file, or an empty dictionary if there is no such file."""
    return json.loads(path.read_bytes()) if path.is_file() else {}
