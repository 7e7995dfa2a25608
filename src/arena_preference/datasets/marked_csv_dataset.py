"""CSV files of raw data that never overwrite a user's own data."""

import csv
from pathlib import PurePosixPath
from typing import Any, ClassVar

import pandas as pd
from kedro.io.core import DatasetError, get_filepath_str
from kedro_datasets.pandas import CSVDataset

from .atomic_write import TEMPORARY, AtomicFileSystem
from .raw_tables_dataset import SUFFIXES, list_candidates


class MarkedCSVDataset(CSVDataset):
    """A CSV that is only written to folders with a marker file, which shows that a pipeline wrote their tables.

    The first save into a folder without any table writes the marker before the table, so that a killed run can be
    repeated. A folder with a table, plain or compressed, but without the marker is rejected, and so is one with the
    same table in another form, because readers could not tell which one is meant. The table is written atomically, with
    the same bytes on every system.

    ### Example usage for the YAML API

        simulated_train:
          type: arena_preference.datasets.MarkedCSVDataset
          filepath: data/01_raw/demo/train.csv
          marker: simulation.json

    ### Example usage for the Python API

        >>> dataset = MarkedCSVDataset(filepath=str(tmp_path / "train.csv"), marker="simulation.json")
        >>> dataset.save(pd.DataFrame({"id": [7], "prompt": ['["Hello"]']}))
        >>> dataset.load()["id"].tolist()
        [7]
    """

    DEFAULT_LOAD_ARGS: ClassVar[dict[str, Any]] = {"keep_default_na": False}
    DEFAULT_SAVE_ARGS: ClassVar[dict[str, Any]] = {"index": False, "lineterminator": "\n", "quoting": csv.QUOTE_MINIMAL}
    # Text mode would use the encoding and line ends of the system.
    DEFAULT_FS_ARGS: ClassVar[dict[str, Any]] = {"open_args_save": {"mode": "wb"}}

    def __init__(self, *, filepath: str, marker: str, **kwargs: Any) -> None:
        """Set the path of the table, the name of the marker file in its folder, and arguments of ``CSVDataset``."""
        super().__init__(filepath=filepath, **kwargs)
        self._fs: Any = AtomicFileSystem(self._fs)
        self._marker = marker

    def save(self, data: pd.DataFrame) -> None:
        """Write the table atomically.

        Raises:
            DatasetError: If the folder holds a table and no marker, or the same table in another form.
        """
        self._claim(PurePosixPath(get_filepath_str(self._get_save_path(), self._protocol)))
        super().save(data)

    def _claim(self, path: PurePosixPath) -> None:
        """Write the marker beside ``path``, or raise ``DatasetError`` if something there is in its way."""
        folder, marker = str(path.parent), str(path.parent / self._marker)
        table = str(path.parent / path.stem)
        self._fs.invalidate_cache(folder)
        # Before the marker, which a parallel save writes before its table. Not `glob`: the folder's name may contain
        # brackets.
        names = [PurePosixPath(name) for name in self._fs.ls(folder, detail=False)] if self._fs.isdir(folder) else []
        tables = sorted(
            name.name
            for name in names
            if (set(SUFFIXES) & set(name.suffixes) or name.name == path.stem) and TEMPORARY not in name.suffixes
        )
        if not self._fs.exists(marker):
            if tables:
                raise DatasetError(
                    f"{folder} holds {', '.join(tables[:4])} but no {self._marker}, so it may be your own data, and "
                    f"{path.name} is not written there. Name another folder with --params=raw_dir=DIR, or move these "
                    "files."
                )
            with self._fs.open(marker, "wb") as file:
                file.write(b"{}")
        others = [name for name in (table, *list_candidates(table)) if name != str(path) and self._fs.exists(name)]
        if others:
            raise DatasetError(
                f"{' and '.join(others)} would be in the way of {path.name}, because only one of them can be read. "
                "Remove what you do not need and start again, or name another folder with --params=raw_dir=DIR."
            )

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "marker": self._marker}
