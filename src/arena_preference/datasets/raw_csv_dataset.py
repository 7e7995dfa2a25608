"""A CSV that somebody else made, checked while it is read."""

import gzip
import logging
import zlib
from copy import deepcopy
from pathlib import PurePosixPath
from typing import Any, NoReturn

import fsspec
import pandas as pd
from kedro.io.core import AbstractDataset, DatasetError, get_protocol_and_path

logger = logging.getLogger(__name__)


class RawCSVDataset(AbstractDataset[NoReturn, pd.DataFrame]):
    """Reads ``filepath``, or ``filepath`` + ``.gz`` where only that exists, each cell as the text that stands there.

    Nothing is guessed: an empty cell stays an empty text and ``007`` keeps its zeros. Columns other than the named ones
    are left out. What is not such a table is refused with the file, the column and the remedy.

    ### Example usage for the YAML API

        test.raw_battles:
          type: arena_preference.datasets.RawCSVDataset
          filepath: data/01_raw/demo/test.csv
          columns: [id, prompt, response_a, response_b]
          optional_columns: [model_a, model_b]

    ### Example usage for the Python API

        >>> dataset = RawCSVDataset(filepath="data/01_raw/demo/test.csv", columns=["id", "prompt"])
        >>> dataset.load().columns.tolist()
        ['id', 'prompt']
    """

    def __init__(
        self,
        *,
        filepath: str,
        columns: list[str],
        optional_columns: list[str] | None = None,
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Describe the table.

        Args:
            filepath: POSIX path, with a protocol such as ``s3://`` where it is not local.
            columns: Columns that must be there.
            optional_columns: Columns that are read if they are there.
            credentials: Passed to the filesystem.
            fs_args: Passed to the filesystem.
            metadata: Ignored by Kedro, read by plugins.
        """
        protocol, path = get_protocol_and_path(filepath)
        self._protocol = protocol
        self._filepath = PurePosixPath(path)
        self._fs = fsspec.filesystem(protocol, **deepcopy(fs_args or {}), **deepcopy(credentials or {}))
        self._columns = list(columns)
        self._optional_columns = list(optional_columns or [])
        self.metadata = metadata

    def load(self) -> pd.DataFrame:
        """Read the table: text columns, the required ones first, in the order of the catalog entry.

        A line with more cells than the first one keeps as many as there are columns, and bytes that are not UTF-8
        become U+FFFD; both are logged, so that one bad line does not cost the others. ``attrs["source"]`` names the
        file, for messages about its content.

        Raises:
            DatasetError: If the file is missing, empty, not CSV, cut off, lacks a column or has no rows.
        """
        path = self._find_file()
        try:
            table = self._read(path)
        except pd.errors.EmptyDataError as error:
            raise DatasetError(f"{path} is empty. Put the CSV there again.") from error
        except pd.errors.ParserError as error:
            raise DatasetError(f"{path} is not a CSV that can be read ({error}). Was it cut off or edited?") from error
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DatasetError(f"{path} is not a whole gzip file ({error}). Copy or download it again.") from error
        self._check_columns(path, table)
        if table.empty:
            raise DatasetError(f"{path} holds a header and no rows. Put the rows there, or point raw_dir elsewhere.")
        wanted = [*self._columns, *self._optional_columns]
        # pandas leaves a gap where a line ends early; here a gap is an empty cell like any other.
        table = table[[name for name in wanted if name in table]].fillna("")
        table.attrs["source"] = path
        return table

    def _read(self, path: str) -> pd.DataFrame:
        def read(**options: Any) -> pd.DataFrame:
            with self._fs.open(path, "rb") as file:
                compression = "gzip" if path.endswith(".gz") else None
                return pd.read_csv(
                    file, compression=compression, dtype=str, keep_default_na=False, encoding="utf-8-sig", **options
                )

        try:
            return read()
        except UnicodeDecodeError as error:
            logger.warning("%s holds bytes that are not UTF-8, which become U+FFFD: %s", path, error)
        except pd.errors.ParserError as error:
            if "Expected" not in str(error):
                raise
        long_lines: list[int] = []
        columns = len(read(nrows=0, encoding_errors="replace").columns)

        def keep_first_cells(cells: list[str]) -> list[str]:
            long_lines.append(len(cells))
            return cells[:columns]

        # Slower, and so only for files that need it; the fast parser cannot mend a line.
        table = read(engine="python", encoding_errors="replace", on_bad_lines=keep_first_cells)
        if long_lines:
            logger.warning(
                "%s has %d lines with more cells than its %d columns; the surplus is left out. Quote cells that hold "
                "commas.",
                *(path, len(long_lines), columns),
            )
        return table

    def save(self, data: NoReturn) -> NoReturn:
        """Refuse: raw data is read only."""
        raise DatasetError(f"{self._filepath} is raw data, which this project only reads.")

    def _find_file(self) -> str:
        plain = str(self._filepath)
        for path in (plain, f"{plain}.gz"):
            if self._fs.isfile(path):
                return path
        raise DatasetError(
            f"There is no {plain} and no {plain}.gz. Put the file there, or name its folder with --params=raw_dir=DIR."
        )

    def _check_columns(self, path: str, table: pd.DataFrame) -> None:
        # pandas takes surplus cells for row names, which would shift every column by one.
        if not isinstance(table.index, pd.RangeIndex):
            raise DatasetError(f"{path} has more cells in its rows than columns in its first line. Quote the cells.")
        missing = [name for name in self._columns if name not in table]
        if not missing:
            return
        with self._fs.open(path, "rb", compression="gzip" if path.endswith(".gz") else None) as file:
            header = file.readline(1000).decode("utf-8-sig", errors="replace").strip()
        raise DatasetError(
            f"{path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}. "
            f"Its first line is: {header[:300]!r}. Needed are: {', '.join(self._columns)}."
        )

    def _exists(self) -> bool:
        return any(self._fs.isfile(path) for path in (str(self._filepath), f"{self._filepath}.gz"))

    def _describe(self) -> dict[str, Any]:
        return {
            "filepath": self._filepath,
            "protocol": self._protocol,
            "columns": self._columns,
            "optional_columns": self._optional_columns,
        }
