"""A table in partitions that workers read and write one by one."""

import json
from typing import Any, Final

import pandas as pd
from kedro.io.core import DatasetError, Version, get_filepath_str
from kedro_datasets._typing import TablePreview
from pandas.util import hash_array

from .path_dataset import PathDataset

# Lists the files of a version. It is written last: a folder without it is not a version.
_COMMIT_FILE: Final = "partitions.json"


class PartitionedParquetDataset(PathDataset[pd.DataFrame, pd.DataFrame]):
    """A table as a folder of Parquet files, one for each partition and chunk, and a list of them.

    ``load`` returns all rows in the order of ``key``, and ``save`` takes all of them. A runner can call
    ``list_partitions``, narrow both to a partition or chunk with ``select``, and make a version of what workers saved
    with ``commit``. A table that is computed from another one partition by partition has the same partitions.

    ### Example usage for the YAML API

        train_battles:
          type: arena_preference.datasets.PartitionedParquetDataset
          filepath: data/02_intermediate/train_battles.parquet
          partition_by: prompt_group
          n_partitions: 32
          key: id
          versioned: true

    ### Example usage for the Python API

        >>> dataset = PartitionedParquetDataset(
        ...     filepath=str(tmp_path / "table.parquet"),
        ...     version=Version(None, None),
        ...     partition_by="group",
        ...     n_partitions=4,
        ...     key="id",
        ... )
        >>> dataset.save(pd.DataFrame({"id": [2, 1, 3], "group": ["x", "y", "x"]}))
        >>> dataset.load()["id"].tolist()
        [1, 2, 3]
    """

    def __init__(
        self,
        *,
        filepath: str,
        partition_by: str | None = None,
        n_partitions: int = 1,
        key: str | None = None,
        version: Version | None = None,
        **kwargs: Any,
    ) -> None:
        """Describe the table.

        Args:
            filepath: POSIX path of a folder.
            partition_by: Column whose hash assigns a row to a partition; None keeps each saved table together.
            n_partitions: Number of partitions; empty ones are not stored.
            key: Column of unique values, in whose order rows are read; None reads partition after partition.
            version: Kedro's load and save version, required.
            **kwargs: As for every ``PathDataset``: ``credentials``, ``fs_args``, ``metadata``.
        """
        if n_partitions < 1:
            raise DatasetError(f"'{filepath}' has n_partitions={n_partitions}. Set it to 1 or more.")
        if version is None:
            raise DatasetError(f"'{filepath}' is not versioned, and a commit is written once. Set versioned to true.")
        super().__init__(filepath=filepath, version=version, **kwargs)
        self._partition_by = partition_by
        self._n_partitions = n_partitions
        self._key = key
        self._partition: int | None = None
        self._chunk: int | None = None
        self._written: list[str] = []

    def list_partitions(self) -> list[int]:
        """Return the numbers of the partitions of the version to load."""
        return sorted({_partition_of(name) for name in self._read_commit()})

    def select(self, partition: int | None = None, *, chunk: int = 0) -> None:
        """Narrow later loads and saves to a partition and chunk; without a partition, ``partition_by`` assigns rows.

        The versions must be pinned.
        """
        self._partition, self._chunk = partition, chunk

    def load(self) -> pd.DataFrame:
        """Read the table, or the selected partition.

        Raises:
            DatasetError: If it does not exist, is not committed or is corrupted.
        """
        folder = self._load_folder()
        names = [name for name in self._read_commit() if self._partition in (None, _partition_of(name))]
        if not names:
            raise DatasetError(f"{folder} has no partition {self._partition}. Run the pipeline that writes it again.")
        table = pd.concat([self._read(f"{folder}/{name}") for name in names], ignore_index=True)
        return table if self._key is None else table.sort_values(self._key, kind="stable", ignore_index=True)

    def save(self, data: pd.DataFrame) -> None:
        """Write the table atomically, or the selected partition or chunk for a later ``commit``."""
        if self._chunk is not None:
            self._written += self._write(data, self._partition, self._chunk)
            return
        # Kedro's check that the version does not exist yet.
        self._get_save_path()
        self._write_commit(self._write(data, None, 0))

    def commit(self, partitions: list[int] | None = None) -> None:
        """Make a version of the saved partitions.

        Args:
            partitions: Partitions that workers have saved, one chunk each; None commits what this object has saved.

        Raises:
            DatasetError: If a file is missing, or a value of ``key`` is not unique.
        """
        folder = self._save_folder()
        names = sorted(set(self._written)) if partitions is None else [_name(number, 0) for number in partitions]
        missing = [name for name in names if not self._fs.exists(f"{folder}/{name}")]
        if missing or not names:
            raise DatasetError(f"{len(missing)} of {len(names)} files of {folder} are missing. Run the node again.")
        if self._key is not None:
            keys = pd.concat([self._read(f"{folder}/{name}", [self._key])[self._key] for name in names])
            repeated = keys[keys.duplicated()].unique()
            if len(repeated):
                raise DatasetError(
                    f"{folder} has {len(repeated)} values more than once in column {self._key}, the first: "
                    f"{', '.join(map(str, repeated[:5]))}. Make them unique."
                )
        self._write_commit(names)

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return ``columns`` and ``data`` of the first rows for Kedro-Viz."""
        first, *_ = self._read_commit()
        rows = self._read(f"{self._load_folder()}/{first}").head(nrows)
        return json.loads(rows.to_json(orient="split"))

    def _write(self, data: pd.DataFrame, partition: int | None, chunk: int) -> list[str]:
        folder = self._save_folder()
        if partition is not None or self._partition_by is None:
            numbers = pd.Series(partition or 0, index=data.index)
        else:
            hashes = hash_array(data[self._partition_by].to_numpy(dtype=object), categorize=False)
            numbers = pd.Series(hashes % self._n_partitions, index=data.index)
        # A table without rows is one partition, which keeps the columns.
        tables = dict(list(data.groupby(numbers))) if len(data) else {partition or 0: data}
        for number, rows in tables.items():
            with self._fs.open(f"{folder}/{_name(number, chunk)}", "wb") as file:
                rows.to_parquet(file, index=False)
        return [_name(number, chunk) for number in tables]

    def _write_commit(self, names: list[str]) -> None:
        with self._fs.open(f"{self._save_folder()}/{_COMMIT_FILE}", "wb") as file:
            file.write(json.dumps(names, indent=2).encode())
        self._invalidate_cache()

    def _read_commit(self) -> list[str]:
        """Return the names of the version's files; its folder may also hold files of workers that died."""
        folder = self._load_folder()
        self._fs.invalidate_cache(folder)
        if self._fs.isfile(folder):
            raise DatasetError(
                f"{folder} is a single file, written in an env that does not partition this table. Use that env, or "
                "run the pipeline that writes it again."
            )
        try:
            return list(json.loads(self._fs.cat_file(f"{folder}/{_COMMIT_FILE}")))
        except FileNotFoundError as reason:
            raise DatasetError(
                f"{folder} does not exist or was not committed. Run the pipeline that writes it again, or remove this "
                "version."
            ) from reason

    def _read(self, path: str, columns: list[str] | None = None) -> pd.DataFrame:
        try:
            with self._fs.open(path, "rb") as file:
                return pd.read_parquet(file, columns=columns)
        except (OSError, ValueError) as reason:
            raise DatasetError(
                f"{path} is corrupted or not a Parquet file ({reason}). Run the pipeline that writes it again, or "
                "remove this version."
            ) from reason

    def _load_folder(self) -> str:
        return str(get_filepath_str(self._get_load_path(), self._protocol))

    def _save_folder(self) -> str:
        # Unlike `_get_save_path`, this accepts a folder that exists.
        return str(get_filepath_str(self._get_versioned_path(str(self.resolve_save_version())), self._protocol))

    def _is_complete(self, path: str) -> bool:
        return bool(self._fs.exists(f"{path}/{_COMMIT_FILE}"))

    def _describe(self) -> dict[str, Any]:
        return {
            **super()._describe(),
            "partition_by": self._partition_by,
            "n_partitions": self._n_partitions,
            "key": self._key,
        }


def _name(partition: int, chunk: int) -> str:
    return f"{partition:05d}-{chunk:05d}.parquet"


def _partition_of(name: str) -> int:
    return int(name.partition("-")[0])
