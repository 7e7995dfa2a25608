"""A table of raw data, or several in a folder, that never overwrite a user's own data."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from kedro.io.core import DatasetError, get_filepath_str

from .atomic_write import TEMPORARY
from .marked_csv_dataset import MarkedCSVDataset


class MarkedTablesDataset(MarkedCSVDataset):
    """A ``MarkedCSVDataset`` that is also written as a folder of several files, named like the CSV without its suffix.

    The files are CSV or Parquet, and each is written atomically. A folder with other files in it is rejected, because
    they would be read, too.

    ### Example usage for the YAML API

        downloaded_train:
          type: arena_preference.datasets.MarkedTablesDataset
          filepath: data/01_raw/kaggle/train.csv
          marker: download.json

    ### Example usage for the Python API

        >>> dataset = MarkedTablesDataset(filepath=str(tmp_path / "train.csv"), marker="download.json")
        >>> dataset.save({"own.csv": pd.DataFrame({"id": [7]}), "more.csv": pd.DataFrame({"id": [8]})})
        >>> sorted(path.name for path in (tmp_path / "train").iterdir())
        ['more.csv', 'own.csv']
    """

    def save(self, data: pd.DataFrame | Mapping[str, pd.DataFrame | pa.RecordBatchReader]) -> None:
        """Write one table as the CSV, or several by the names of their files: tables as CSV, batches as Parquet.

        Raises:
            DatasetError: If there are other files that may be a user's own.
        """
        if isinstance(data, pd.DataFrame):
            super().save(data)
            return
        folder = PurePosixPath(get_filepath_str(self._get_save_path(), self._protocol)).with_suffix("")
        self._claim(folder)
        names = (
            [PurePosixPath(name) for name in self._fs.ls(str(folder), detail=False)]
            if self._fs.isdir(str(folder))
            else []
        )
        others = sorted(name.name for name in names if name.name not in data and TEMPORARY not in name.suffixes)
        if others:
            raise DatasetError(
                f"{folder} holds {', '.join(others[:4])}, which would be read together with {', '.join(data)}. Move "
                "these files and start again, or name another folder with --params=raw_dir=DIR."
            )
        for name, table in data.items():
            with self._fs.open(str(folder / name), "wb") as file:
                if isinstance(table, pd.DataFrame):
                    table.to_csv(file, **self._save_args)
                else:
                    _write_parquet(table, file)
        self._fs.invalidate_cache(str(folder))


def _write_parquet(batches: pa.RecordBatchReader, file: Any) -> None:
    with pq.ParquetWriter(file, batches.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
