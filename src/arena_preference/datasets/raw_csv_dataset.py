"""A user's CSV, checked while it is read."""

import codecs
import csv
import gzip
import io
import logging
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import PurePosixPath
from typing import IO, Any, Final, NoReturn

import pandas as pd
from kedro.io.core import DatasetError

from .path_dataset import PathDataset

logger = logging.getLogger(__name__)

# First bytes of compressed files.
_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"
_BLOCK: Final = 2**20
# Rows that are Python objects at once while all are read.
_CHUNK_ROWS: Final = 20_000


class RawCSVDataset(PathDataset[NoReturn, pd.DataFrame]):
    """Reads ``filepath``, or the same with ``.gz`` or ``.zip``, with each cell as text.

    Types are not inferred: an empty cell stays an empty text and ``007`` keeps its zeros. Other columns are skipped.
    Invalid tables are rejected with the path, the column and a suggestion.

    Compression and UTF-16 are recognized by the file's first bytes, whatever its name. Surplus cells of a row are
    dropped and bytes that are not UTF-8 become U+FFFD; both are counted and logged.

    ### Example usage for the YAML API

        test_raw_battles:
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
        chunk_rows: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Describe the table, which runners may read in chunks; ``kwargs`` are those of ``PathDataset``."""
        if chunk_rows is not None and chunk_rows < 1:
            raise DatasetError(f"'{filepath}' has chunk_rows={chunk_rows}. Set it to 1 or more.")
        super().__init__(filepath=filepath, **kwargs)
        self._columns = list(columns)
        self._optional_columns = list(optional_columns or [])
        self.chunk_rows = chunk_rows

    def load(self) -> pd.DataFrame:
        """Return all rows as text, the required columns first, in the order of the catalog entry.

        ``attrs["source"]`` is the path of the file, for messages about its content.

        Raises:
            DatasetError: If the file is missing, empty, truncated or not a CSV, lacks or repeats a column, has no rows,
                or has rows that run together because a quote is never closed.
        """
        return pd.concat(self.read_chunks(), ignore_index=True)

    def read_chunks(self) -> Iterator[pd.DataFrame]:
        """Yield the table in consecutively numbered chunks of ``chunk_rows`` rows, the last of up to twice as many.

        Raises:
            DatasetError: As ``load``, for some errors only after the last row.
        """
        path = self._find_file()
        try:
            for table in self._parse(path):
                table.attrs["source"] = path
                yield table
        # zipfile raises the last two for an unknown compression and for an encrypted file.
        except (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise DatasetError(
                f"{path} cannot be decompressed ({error}). Copy or download it again, or decompress it yourself."
            ) from error

    def _parse(self, path: str) -> Iterator[pd.DataFrame]:
        """Yield the table in chunks, then reject the file or log its errors."""
        encoding = self._find_encoding(path)
        is_valid = self._is_valid(path, encoding)
        n_rows = n_surplus = n_replaced = 0
        with self._open_text(path, encoding, "strict" if is_valid else "replace") as text:
            rows = _read_rows(path, text)
            header = next(rows, None)
            if header is None:
                raise DatasetError(f"{path} is empty. Replace it with the CSV.")
            self._check_header(path, header)
            names = [name for name in (*self._columns, *self._optional_columns) if name in header]
            positions = [header.index(name) for name in names]
            for chunk in _split(rows, self.chunk_rows or _CHUNK_ROWS):
                # A row that ends early is filled with empty cells.
                cells = [[row[k] if k < len(row) else "" for k in positions] for row in chunk]
                n_surplus += sum(any(row[len(header) :]) for row in chunk)
                if not is_valid:
                    n_replaced += sum(any("\ufffd" in cell for cell in row) for row in cells)
                index = pd.RangeIndex(n_rows, n_rows + len(cells))
                n_rows += len(cells)
                yield pd.DataFrame(cells, index=index, columns=names, dtype=str)
        if not n_rows:
            raise DatasetError(f"{path} has a header and no rows. Add rows, or name another folder with raw_dir.")
        if n_surplus == n_rows:
            raise DatasetError(f"{path} has more cells in its rows than columns in its first line. Quote the cells.")
        if n_surplus:
            logger.warning(
                "%s has %d rows with more cells than its %d columns; the surplus is dropped. Quote cells with commas.",
                *(path, n_surplus, len(header)),
            )
        if not is_valid:
            logger.warning(
                "%s has bytes that are not %s. They became U+FFFD, which is in %d rows.",
                *(path, "UTF-16" if encoding == "utf-16" else "UTF-8", n_replaced),
            )

    def _find_encoding(self, path: str) -> str:
        with self._open(path) as file:
            # Spreadsheets and PowerShell write UTF-16 with a byte order mark.
            return "utf-16" if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"

    def _is_valid(self, path: str, encoding: str) -> bool:
        """Return whether all bytes can be decoded; a U+FFFD in the text itself must not be counted as replaced."""
        with self._open_text(path, encoding, "strict") as text:
            try:
                while text.read(_BLOCK):
                    pass
            except UnicodeDecodeError:
                return False
        return True

    def _check_header(self, path: str, header: list[str]) -> None:
        first_line = f"Its first line is: {','.join(header)[:300]!r}."
        missing = [name for name in self._columns if name not in header]
        if missing:
            is_separated = len(header) == 1 and all(name in header[0] for name in self._columns)
            raise DatasetError(
                f"{path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}. {first_line} "
                f"Required are: {', '.join(self._columns)}{', separated by commas' if is_separated else ''}."
            )
        repeated = [name for name in (*self._columns, *self._optional_columns) if header.count(name) > 1]
        if repeated:
            raise DatasetError(
                f"{path} has the column{'s' if len(repeated) > 1 else ''} {', '.join(repeated)} more than once. "
                f"{first_line} Remove or rename all but one."
            )

    def save(self, data: NoReturn) -> NoReturn:
        """Reject the data: raw data is read-only."""
        raise DatasetError(f"{self._filepath} is raw data, which is read-only.")

    @contextmanager
    def _open_text(self, path: str, encoding: str, errors: str) -> Iterator[IO[str]]:
        with self._open(path) as file, io.TextIOWrapper(file, encoding, errors, newline="") as text:
            yield text

    @contextmanager
    def _open(self, path: str) -> Iterator[Any]:
        """Open the file, decompressed if its first bytes show that it is compressed."""
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
                f"{path} has {len(members)} files named {self._filepath.name}; it has "
                f"{', '.join(archive.namelist()[:5]) or 'none'}. Extract the right one into its folder."
            )
        return members[0]

    def _list_paths(self) -> list[str]:
        return [f"{self._filepath}{suffix}" for suffix in ("", ".gz", ".zip")]

    def _find_file(self) -> str:
        plain, *compressed = paths = self._list_paths()
        path = next((path for path in paths if self._fs.isfile(path)), None)
        if path is None:
            raise DatasetError(
                f"There is no {plain} and no {' or '.join(compressed)}. Put the file there, or name its folder with "
                "--params=raw_dir=DIR."
            )
        return path

    def _exists(self) -> bool:
        return any(self._fs.isfile(path) for path in self._list_paths())

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "columns": self._columns, "optional_columns": self._optional_columns}


def _read_rows(path: str, text: IO[str]) -> Iterator[list[str]]:
    """Yield the cells of each row that is not blank, and reject text after a closing quote: rows run together."""
    # A global setting; a cell may have any length.
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(text, strict=True)
    try:
        yield from (cells for cells in reader if len(cells) > 1 or "".join(cells).strip())
    except csv.Error as error:
        raise DatasetError(
            f"{path} has a quote that is not closed, in line {reader.line_num} or above, so that rows run together "
            f"({error}). Was the file truncated? Close the quote, and write a quote inside a cell as two."
        ) from error


def _split(rows: Iterator[list[str]], size: int) -> Iterator[list[list[str]]]:
    """Yield chunks of at least ``size`` rows: a short remainder is added to the last chunk."""
    chunk = list(islice(rows, size))
    while len(following := list(islice(rows, size))) == size:
        yield chunk
        chunk = following
    if chunk:
        yield chunk + following
