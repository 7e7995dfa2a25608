"""A CSV that somebody else made, checked while it is read."""

import codecs
import collections
import csv
import gzip
import io
import logging
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import PurePosixPath
from typing import Any, Final, NoReturn

import fsspec
import numpy as np
import pandas as pd
from kedro.io.core import AbstractDataset, DatasetError, get_protocol_and_path

logger = logging.getLogger(__name__)

# First bytes of packed files.
_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"


class RawCSVDataset(AbstractDataset[NoReturn, pd.DataFrame]):
    """Reads ``filepath``, or the same with ``.gz`` or ``.zip``, each cell as the text that stands there.

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

        Compression and UTF-16 are told by the file's first bytes, whatever its name. A line with more cells than the
        first one keeps as many as there are columns, and bytes that are not UTF-8 become U+FFFD; both are counted and
        logged, so that one bad line does not cost the others. ``attrs["source"]`` names the file, for messages about
        its content.

        Raises:
            DatasetError: If the file is missing, empty, not CSV, cut off, lacks a column or has it twice, has no rows
                or has rows that run together because a quote is never closed.
        """
        path = self._find_file()
        try:
            table = self._read(path)
        except pd.errors.EmptyDataError as error:
            raise DatasetError(f"{path} is empty. Put the CSV there again.") from error
        except pd.errors.ParserError as error:
            raise DatasetError(f"{path} is not a CSV that can be read ({error}). Was it cut off or edited?") from error
        # zipfile raises the last two for a compression that it does not know and for a file that wants a password.
        except (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise DatasetError(
                f"{path} cannot be unpacked ({error}). Copy or download it again, or unpack it yourself."
            ) from error
        table.attrs["source"] = path
        return table

    def _read(self, path: str) -> pd.DataFrame:
        with self._open(path) as file:
            # Spreadsheets and PowerShell write UTF-16 and mark it.
            encoding = "utf-16" if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
        try:
            return self._parse(path, encoding, "strict")
        except UnicodeDecodeError:
            table = self._parse(path, encoding, "replace")
            damaged = np.any([table[name].str.contains("\ufffd") for name in table], axis=0)
            logger.warning(
                "%s holds bytes that are not %s. They have become U+FFFD; %d rows hold that character now.",
                *(path, "UTF-16" if encoding == "utf-16" else "UTF-8", damaged.sum()),
            )
            return table

    def _parse(self, path: str, encoding: str, errors: str) -> pd.DataFrame:
        def read(**options: Any) -> pd.DataFrame:
            with self._open(path) as file:
                return pd.read_csv(
                    file, dtype=str, keep_default_na=False, encoding=encoding, encoding_errors=errors, **options
                )

        header = read(header=None, nrows=1).iloc[0].tolist()
        self._check_header(path, header)
        columns = len(header)
        try:
            table = read(header=0, names=range(columns))
            # pandas takes surplus cells of the first row for row names, which would shift every column by one.
            has_long_lines = not isinstance(table.index, pd.RangeIndex)
        except pd.errors.ParserError as error:
            has_long_lines = "Expected" in str(error)
            if not has_long_lines:
                raise
        if has_long_lines:
            # One column more takes what stands beyond the last one; named columns alone are read, however many more.
            names = range(columns + 1)
            table = read(header=0, names=names, usecols=names, low_memory=False)
        if table.empty:
            raise DatasetError(f"{path} holds a header and no rows. Put the rows there, or point raw_dir elsewhere.")
        # pandas leaves a gap where a line ends early; here a gap is an empty cell like any other.
        table = table.fillna("")
        is_long = table[columns] != "" if has_long_lines else pd.Series([False])
        if is_long.all():
            raise DatasetError(f"{path} has more cells in its rows than columns in its first line. Quote the cells.")
        # A quote that is not closed makes one cell of what follows, up to and with the next cell in quotes.
        is_odd = any((cells == "").any() or cells.str.endswith('"').any() for _, cells in table.items())
        if has_long_lines or is_odd:
            self._check_quotes(path, encoding)
        if is_long.any():
            logger.warning(
                "%s has %d lines with more cells than its %d columns; the surplus is left out. Quote cells that hold "
                "commas.",
                *(path, is_long.sum(), columns),
            )
        wanted = [name for name in (*self._columns, *self._optional_columns) if name in header]
        return table[[header.index(name) for name in wanted]].set_axis(wanted, axis="columns")

    def _check_header(self, path: str, header: list[str]) -> None:
        first_line = f"Its first line is: {','.join(map(str, header))[:300]!r}."
        missing = [name for name in self._columns if name not in header]
        if missing:
            separated = len(header) == 1 and all(name in str(header[0]) for name in self._columns)
            raise DatasetError(
                f"{path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}. {first_line} "
                f"Needed are: {', '.join(self._columns)}{', separated by commas' if separated else ''}."
            )
        repeated = [name for name in (*self._columns, *self._optional_columns) if header.count(name) > 1]
        if repeated:
            raise DatasetError(
                f"{path} has the column{'s' if len(repeated) > 1 else ''} {', '.join(repeated)} more than once. "
                f"{first_line} Remove or rename all but one."
            )

    def _check_quotes(self, path: str, encoding: str) -> None:
        """Refuse a file in which text follows a closing quote: rows have run together there, and would be lost."""
        limit = csv.field_size_limit(sys.maxsize)
        try:
            with self._open(path) as file, io.TextIOWrapper(file, encoding, errors="replace", newline="") as text:
                # Python 3.10 refuses NUL, which has no part in this.
                reader = csv.reader((line.replace("\0", " ") for line in text), strict=True)
                try:
                    collections.deque(reader, maxlen=0)
                except csv.Error as error:
                    raise DatasetError(
                        f"{path} has a quote that is not closed, in line {reader.line_num} or above, so that rows have "
                        f"run together ({error}). Close it, and write a quote inside of a cell as two."
                    ) from error
        finally:
            csv.field_size_limit(limit)

    def save(self, data: NoReturn) -> NoReturn:
        """Refuse: raw data is read only."""
        raise DatasetError(f"{self._filepath} is raw data, which this project only reads.")

    @contextmanager
    def _open(self, path: str) -> Iterator[Any]:
        """Open the file's content, unpacked where its first bytes say that it is packed."""
        with self._fs.open(path, "rb") as file:
            start = file.read(4)
            file.seek(0)
            if start.startswith(_GZIP):
                with gzip.open(file) as content:
                    yield content
            elif start == _ZIP:
                with zipfile.ZipFile(file) as archive, archive.open(self._find_member(path, archive)) as content:
                    yield content
            else:
                yield file

    def _find_member(self, path: str, archive: zipfile.ZipFile) -> str:
        members = [name for name in archive.namelist() if PurePosixPath(name).name == self._filepath.name]
        if len(members) != 1:
            raise DatasetError(
                f"{path} holds {len(members)} files of the name {self._filepath.name}; it holds "
                f"{', '.join(archive.namelist()[:5]) or 'nothing'}. Unpack the right one into its folder."
            )
        return members[0]

    def _find_file(self) -> str:
        plain, *packed = spellings = self._list_spellings()
        path = next((path for path in spellings if self._fs.isfile(path)), None)
        if path is None:
            raise DatasetError(
                f"There is no {plain} and no {' or '.join(packed)}. Put the file there, or name its folder with "
                "--params=raw_dir=DIR."
            )
        return path

    def _list_spellings(self) -> list[str]:
        return [f"{self._filepath}{suffix}" for suffix in ("", ".gz", ".zip")]

    def _exists(self) -> bool:
        return any(self._fs.isfile(path) for path in self._list_spellings())

    def _describe(self) -> dict[str, Any]:
        return {
            "filepath": self._filepath,
            "protocol": self._protocol,
            "columns": self._columns,
            "optional_columns": self._optional_columns,
        }
