"""A JSON file that need not be there."""

import json
from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset
from kedro.io.core import DatasetError


class OptionalJSONDataset(AbstractDataset[dict[str, Any], dict[str, Any]]):
    """Reads a JSON object that may be absent; then it is empty. It is read only.

    ### Example usage for the YAML API

        simulation_summary:
          type: arena_preference.datasets.OptionalJSONDataset
          filepath: data/01_raw/demo/simulation.json

    ### Example usage for the Python API

        >>> OptionalJSONDataset(filepath=str(tmp_path / "absent.json")).load()
        {}
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Name the file.

        Args:
            filepath: A local file.
            metadata: For plugins such as Kedro-Viz; not used here.
        """
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> dict[str, Any]:
        """Read the object, or give an empty one.

        Raises:
            DatasetError: If the file is not a JSON object.
        """
        if not self._filepath.is_file():
            return {}
        try:
            content = json.loads(self._filepath.read_text(encoding="utf-8"))
        except ValueError as reason:
            raise DatasetError(f"{self._filepath} is not JSON ({reason}). Mend it, or remove it.") from reason
        if not isinstance(content, dict):
            raise DatasetError(f"{self._filepath} holds no JSON object. Mend it, or remove it.")
        return content

    def save(self, data: dict[str, Any]) -> NoReturn:
        """Refuse: whoever makes the file writes it under a name of its own."""
        raise DatasetError(f"{self._filepath} is only read under this name.")

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
