"""A growing file of Optuna's trials."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kedro.io import AbstractDataset
from kedro.io.core import DatasetError

if TYPE_CHECKING:
    from optuna.storages import JournalStorage


class OptunaStorageDataset(AbstractDataset[Any, Any]):
    """Opens the journal in which Optuna keeps trials: lines that are appended, so a killed run loses one trial at most.

    Studies write to it by themselves, trial by trial; saving to it is an error.

    ### Example usage for the YAML API

        tuning_trials:
          type: arena_preference.datasets.OptunaStorageDataset
          filepath: data/06_models/tuning_trials.log

    ### Example usage for the Python API

        >>> storage = OptunaStorageDataset(filepath=str(tmp_path / "trials.log")).load()
        >>> optuna.create_study(storage=storage, study_name="a study").study_name
        'a study'
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the file.

        Args:
            filepath: A local file; it is made on the first load.
            metadata: For plugins such as Kedro-Viz; not used here.
        """
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> "JournalStorage":
        """Open the journal.

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
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(self._filepath)))

    def save(self, data: Any) -> NoReturn:
        """Refuse: studies write their trials by themselves."""
        raise DatasetError(f"{self._filepath} is written by Optuna's studies alone. Use it as an input.")

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
