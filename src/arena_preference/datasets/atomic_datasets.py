"""Datasets of kedro-datasets, each of which writes a whole file or none.

They are used and documented like the ones they are made of:

    metrics:
      type: arena_preference.datasets.JSONDataset
      filepath: data/08_reporting/metrics.json
      versioned: true
"""

from json import loads
from typing import TYPE_CHECKING

import pandas as pd
from kedro_datasets import json, pandas, text, yaml
from kedro_datasets._typing import TablePreview

from .atomic_write import AtomicFileSystem

if TYPE_CHECKING:
    import fsspec


class AtomicSave:
    """Makes a dataset of kedro-datasets write through ``AtomicFileSystem``.

    All of them keep their filesystem in ``_fs`` and write with ``self._fs.open``.
    """

    @property
    def _fs(self) -> AtomicFileSystem:
        return self._atomic_fs

    @_fs.setter
    def _fs(self, fs: "fsspec.AbstractFileSystem") -> None:
        self._atomic_fs = AtomicFileSystem(fs)


class CSVDataset(AtomicSave, pandas.CSVDataset):
    """A table as CSV."""


class JSONDataset(AtomicSave, json.JSONDataset):
    """An object as JSON."""


class ParquetDataset(AtomicSave, pandas.ParquetDataset):
    """A table as Parquet."""

    def preview(self, nrows: int = 5) -> TablePreview:
        """Show the first rows in kedro viz. Lists in cells, such as turns, are lists there, and not arrays.

        Args:
            nrows: How many.

        Returns:
            ``index``, ``columns`` and ``data``, of types that JSON has.
        """
        first_rows = pd.DataFrame(**super().preview(nrows))
        return loads(first_rows.to_json(orient="split"))


class TextDataset(AtomicSave, text.TextDataset):
    """A text."""


class YAMLDataset(AtomicSave, yaml.YAMLDataset):
    """An object as YAML."""
