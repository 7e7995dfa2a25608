"""A table that is stored in parts, so that workers can make and read it part by part."""

import json
from pathlib import PurePosixPath
from typing import Any, Final

import pandas as pd
from kedro.io.core import AbstractVersionedDataset, DatasetError, Version, get_filepath_str, get_protocol_and_path
from kedro_datasets._typing import TablePreview
from pandas.util import hash_array

from .atomic_write import atomic_write, open_filesystem

# Written last: a folder without it is no version.
_LIST: Final = "parts.json"


class PartitionedParquetDataset(AbstractVersionedDataset[pd.DataFrame, pd.DataFrame]):
    """Stores a table as a folder of Parquet files, each of them one piece of one part, and a list of them.

    To most nodes it is a table like any other: ``load`` gives all of it, in the order of ``key``, and ``save`` takes
    all of it. A runner that knows more asks for ``list_parts``, has ``select`` turn both into reading and writing one
    part, and calls ``finish`` when all are there; not before that is there a version. A table that is made part by part
    of another one has the parts of that one.

    ### Example usage for the YAML API

        train.battles:
          type: arena_preference.datasets.PartitionedParquetDataset
          filepath: data/02_intermediate/train.battles.parquet
          partition_by: prompt_group
          parts: 32
          key: id
          versioned: true

    ### Example usage for the Python API

        >>> path, version = str(tmp_path / "table.parquet"), Version(None, None)
        >>> dataset = PartitionedParquetDataset(
        ...     filepath=path, version=version, partition_by="group", parts=4, key="id"
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
        parts: int = 1,
        key: str | None = None,
        version: Version | None = None,
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Describe the table.

        Args:
            filepath: POSIX path of a folder, with a protocol such as ``s3://`` where it is not local.
            partition_by: Column whose hash says in which part a row is; None keeps what is saved at once together.
            parts: How many, at most, that makes; empty ones are not stored.
            key: Column of which no value comes twice. Rows are read in its order; without it, in that of the parts.
            version: Kedro's load and save version; it has to be versioned.
            credentials: Passed to the filesystem.
            fs_args: Passed to the filesystem.
            metadata: Ignored by Kedro, read by plugins.
        """
        if parts < 1:
            raise DatasetError(f"'{filepath}' is to have {parts} parts. Set parts to 1 or more.")
        if version is None:
            raise DatasetError(f"'{filepath}' has no versions, and each is written once. Set versioned to true.")
        protocol, path = get_protocol_and_path(filepath, version)
        self._protocol = protocol
        self._fs = open_filesystem(protocol, fs_args, credentials)
        self._partition_by = partition_by
        self._parts = parts
        self._key = key
        self._part: int | None = None
        self._piece: int | None = None
        self._written: list[str] = []
        self.metadata = metadata
        super().__init__(
            filepath=PurePosixPath(path),
            version=version,
            exists_function=self._is_finished,
            glob_function=self._fs.glob,
        )

    def list_parts(self) -> list[int]:
        """Give the numbers of the parts that the version to load has."""
        return sorted({_part_of(name) for name in self._list_finished()})

    def select(self, part: int | None = None, *, piece: int = 0) -> None:
        """From now on, load and save nothing but some of the table, under versions that are pinned.

        Args:
            part: Number of a part; None leaves it to ``partition_by`` in which parts the saved rows are.
            piece: Number of what is saved, among what is saved of the same part.
        """
        self._part, self._piece = part, piece

    def load(self) -> pd.DataFrame:
        """Read the table, or the selected part.

        Raises:
            DatasetError: If it is not there, not finished or damaged.
        """
        folder = self._locate_loaded()
        names = [name for name in self._list_finished() if self._part in (None, _part_of(name))]
        if not names:
            raise DatasetError(f"{folder} has no part {self._part}. Run the pipeline that makes it again.")
        table = pd.concat([self._read(f"{folder}/{name}") for name in names], ignore_index=True)
        return table if self._key is None else table.sort_values(self._key, kind="stable", ignore_index=True)

    def save(self, data: pd.DataFrame) -> None:
        """Write the table, whole or not at all; or some of it, which is there with ``finish``."""
        if self._piece is not None:
            self._written += self._write(data, self._part, self._piece)
            return
        # Kedro's own way to find it refuses to write a version twice.
        self._get_save_path()
        self._list_as_finished(self._write(data, None, 0))

    def finish(self, parts: list[int] | None = None) -> None:
        """Make a version of what was saved in parts.

        Args:
            parts: Numbers of the parts that workers have saved, one piece each; None takes what this object has saved.

        Raises:
            DatasetError: If something is not there, or a value of ``key`` comes twice.
        """
        folder = self._locate_saved()
        names = sorted(set(self._written)) if parts is None else [_name(part, 0) for part in parts]
        missing = [name for name in names if not self._fs.exists(f"{folder}/{name}")]
        if missing or not names:
            raise DatasetError(f"Of {len(names)} files of {folder}, {len(missing)} are not there. Run it again.")
        if self._key is not None:
            values = pd.concat(
                [self._read(f"{folder}/{name}", [self._key])[self._key] for name in names], ignore_index=True
            )
            repeated = values[values.duplicated()].unique()
            if len(repeated):
                raise DatasetError(
                    f"{folder} would hold {len(repeated)} values of column {self._key} more than once, the first: "
                    f"{', '.join(map(str, repeated[:5]))}. Give every row one of its own."
                )
        self._list_as_finished(names)

    def preview(self, nrows: int = 5) -> TablePreview:
        """Show rows of the first part in kedro viz.

        Args:
            nrows: How many.

        Returns:
            ``index``, ``columns`` and ``data``, of types that JSON has.
        """
        first, *_ = self._list_finished()
        rows = self._read(f"{self._locate_loaded()}/{first}").head(nrows)
        return json.loads(rows.to_json(orient="split"))

    def _write(self, data: pd.DataFrame, part: int | None, piece: int) -> list[str]:
        folder = self._locate_saved()
        if part is not None or self._partition_by is None:
            of_row = pd.Series(part or 0, index=data.index)
        else:
            hashes = hash_array(data[self._partition_by].to_numpy(dtype=object), categorize=False)
            of_row = pd.Series(hashes % self._parts, index=data.index)
        # A table without rows is one part, which names its columns.
        of_part = dict(list(data.groupby(of_row))) if len(data) else {part or 0: data}
        names = []
        for number, rows in of_part.items():
            names.append(_name(int(number), piece))
            with atomic_write(self._fs, f"{folder}/{names[-1]}") as file:
                rows.to_parquet(file, index=False)
        return names

    def _list_as_finished(self, names: list[str]) -> None:
        with atomic_write(self._fs, f"{self._locate_saved()}/{_LIST}") as file:
            file.write(json.dumps(names, indent=2).encode())
        self._invalidate_cache()

    def _list_finished(self) -> list[str]:
        """Give the names of the version's files; others in its folder were left by workers that died."""
        folder = self._locate_loaded()
        self._fs.invalidate_cache(folder)
        if self._fs.isfile(folder):
            raise DatasetError(
                f"{folder} is one file, so it was written in an env that does not partition this table. Go on in that "
                "env, or run the pipeline that makes it again."
            )
        try:
            names: list[str] = json.loads(self._fs.cat_file(f"{folder}/{_LIST}"))
        except FileNotFoundError as reason:
            raise DatasetError(
                f"{folder} is not there or not finished. Run the pipeline that makes it again, or remove this version "
                "of it."
            ) from reason
        return names

    def _read(self, path: str, columns: list[str] | None = None) -> pd.DataFrame:
        try:
            with self._fs.open(path, "rb") as file:
                return pd.read_parquet(file, columns=columns)
        except (OSError, ValueError) as reason:
            raise DatasetError(
                f"{path} is damaged or is no Parquet file ({reason}). Run the pipeline that makes it again, or remove "
                "this version of it."
            ) from reason

    def _locate_loaded(self) -> str:
        return str(get_filepath_str(self._get_load_path(), self._protocol))

    def _locate_saved(self) -> str:
        # Unlike Kedro's own way to find it, this one works also once it is there.
        return str(get_filepath_str(self._get_versioned_path(str(self.resolve_save_version())), self._protocol))

    def _exists(self) -> bool:
        try:
            return self._is_finished(self._locate_loaded())
        except DatasetError:
            return False

    def _is_finished(self, folder: str) -> bool:
        return bool(self._fs.exists(f"{folder}/{_LIST}"))

    def _describe(self) -> dict[str, Any]:
        return {
            "filepath": self._filepath,
            "protocol": self._protocol,
            "version": self._version,
            "partition_by": self._partition_by,
            "parts": self._parts,
            "key": self._key,
        }

    def _release(self) -> None:
        super()._release()
        self._invalidate_cache()

    def _invalidate_cache(self) -> None:
        self._fs.invalidate_cache(get_filepath_str(self._filepath, self._protocol))


def _name(part: int, piece: int) -> str:
    return f"{part:05d}-{piece:05d}.parquet"


def _part_of(name: str) -> int:
    return int(name.partition("-")[0])
