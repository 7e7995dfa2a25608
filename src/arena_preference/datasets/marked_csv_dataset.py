"""A CSV of raw data that a pipeline writes, and never over data that somebody else put there."""

import csv
from pathlib import PurePosixPath
from typing import Any, ClassVar

import pandas as pd
from kedro.io.core import DatasetError, get_filepath_str
from kedro_datasets.pandas import CSVDataset

from .atomic_write import UNFINISHED, atomic_write


class MarkedCSVDataset(CSVDataset):
    """Writes a CSV only into a folder whose tables the same pipeline wrote; the folder's marker file tells.

    The first save into a folder without any CSV leaves the marker there, before the table itself, so a run that was
    killed can be repeated. A folder that holds a CSV, plain or compressed, but no marker is refused. The table appears
    whole or not at all, and its bytes are the same on every system.

    ### Example usage for the YAML API

        simulated.train:
          type: arena_preference.datasets.MarkedCSVDataset
          filepath: data/01_raw/demo/train.csv
          marker: simulation.json

    ### Example usage for the Python API

        >>> dataset = MarkedCSVDataset(filepath="/tmp/demo/train.csv", marker="simulation.json")
        >>> dataset.save(pd.DataFrame({"id": [7], "prompt": ['["Hello"]']}))
        >>> dataset.load()["id"].tolist()
        [7]
    """

    DEFAULT_LOAD_ARGS: ClassVar[dict[str, Any]] = {"keep_default_na": False}
    DEFAULT_SAVE_ARGS: ClassVar[dict[str, Any]] = {"index": False, "lineterminator": "\n", "quoting": csv.QUOTE_MINIMAL}

    def __init__(self, *, filepath: str, marker: str, **kwargs: Any) -> None:
        """Point the dataset at a file.

        Args:
            filepath: POSIX path, with a protocol such as ``s3://`` where it is not local.
            marker: Name of the marker file in the same folder.
            **kwargs: As for ``kedro_datasets.pandas.CSVDataset``.
        """
        super().__init__(filepath=filepath, **kwargs)
        self._marker = marker

    def save(self, data: pd.DataFrame) -> None:
        """Write the table.

        Raises:
            DatasetError: If the folder holds a CSV and no marker.
        """
        path = PurePosixPath(get_filepath_str(self._get_save_path(), self._protocol))
        self._claim_folder(path)
        with atomic_write(self._fs, str(path)) as file:
            data.to_csv(file, encoding="utf-8", **self._save_args)
        self._invalidate_cache()

    def _claim_folder(self, path: PurePosixPath) -> None:
        folder, marker = path.parent, str(path.parent / self._marker)
        self._fs.invalidate_cache(str(folder))
        # Tables first, marker second: a table that a parallel save of the same run wrote was preceded by the marker.
        # Listed and not globbed: a folder's name may hold brackets.
        there = self._fs.ls(str(folder), detail=False) if self._fs.isdir(str(folder)) else []
        suffixes = {str(name): PurePosixPath(name).suffixes for name in there}
        tables = sorted(name for name, parts in suffixes.items() if ".csv" in parts and UNFINISHED not in parts)
        if self._fs.exists(marker):
            return
        if tables:
            names = ", ".join(PurePosixPath(table).name for table in tables[:4])
            raise DatasetError(
                f"{folder} holds {names} but no {self._marker}, so that may be somebody's own data and {path.name} is "
                "not written there. Name another folder with --params=raw_dir=DIR, or move these files away."
            )
        with atomic_write(self._fs, marker) as file:
            file.write(b"{}")

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "marker": self._marker}
