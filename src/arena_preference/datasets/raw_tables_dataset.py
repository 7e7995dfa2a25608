"""A user's files, checked while they are read."""

import codecs
import csv
import gzip
import io
import json
import logging
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import IO, Any, Final, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq
from kedro.io.core import DatasetError

from .path_dataset import PathDataset

logger = logging.getLogger(__name__)

Row = dict[str, Any]

# First bytes of compressed files.
_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"
_BLOCK: Final = 2**20
#: Suffixes of tables that can be read.
SUFFIXES: Final = (".csv", ".jsonl", ".parquet")
_COMPRESSED: Final = (".gz", ".zip")
# Rows that describe a table; Parquet rows that are Python objects at once.
_HEAD_ROWS: Final = 100
_BATCH_ROWS: Final = 1000
_AS_LINES: Final = "; pandas writes a JSON array so with to_json(PATH, orient='records', lines=True)"
# What separates columns in files that are not CSV.
_SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "bars"}
# How deep JSON may be nested, far from the recursion limit of whatever reads the rows or writes them.
_LEVELS: Final = 200


@dataclass(frozen=True)
class RawTable:
    """Rows of one of ``n_files`` files, or a chunk of them.

    ``first_row`` is the position of the first of them in the file, from 0. ``head`` are the file's first rows, also in
    later chunks, so that all chunks are understood in the same way.
    """

    name: str
    path: str
    rows: list[Row]
    head: list[Row]
    first_row: int = 0
    is_whole: bool = True
    n_files: int = 1


class RawTablesDataset(PathDataset[NoReturn, list[RawTable]]):
    """Reads CSV, JSON lines and Parquet files, each also compressed with gzip or zip.

    ``filepath`` has no suffix and names one such file, or a folder of them; with a suffix it names that file. Cells of
    CSV are texts: types are not inferred, an empty cell stays an empty text and ``007`` keeps its zeros; numbers with a
    point or exponent in JSON lines are texts, too, as they are written. Rows without any content are skipped.

    Compression and UTF-16 are recognized by the file's first bytes, whatever its name. Surplus cells of a CSV row are
    dropped and bytes that are not UTF-8 become U+FFFD; these and the skipped rows are counted and logged.

    ### Example usage for the YAML API

        test_raw_battles:
          type: arena_preference.datasets.RawTablesDataset
          filepath: data/01_raw/demo/test

    ### Example usage for the Python API

        >>> dataset = RawTablesDataset(filepath="data/01_raw/demo/test")
        >>> [table.name for table in dataset.load()]
        ['test.csv']
    """

    def __init__(
        self, *, filepath: str, columns: list[str] | None = None, chunk_rows: int | None = None, **kwargs: Any
    ) -> None:
        """Describe the files.

        Args:
            filepath: POSIX path, without suffix or with that of one file.
            columns: Columns that every file must have; None accepts any.
            chunk_rows: Rows that runners read at a time; None lets them read all.
            **kwargs: As for every ``PathDataset``: ``credentials``, ``fs_args``, ``metadata``.
        """
        if chunk_rows is not None and chunk_rows < 1:
            raise DatasetError(f"'{filepath}' has chunk_rows={chunk_rows}. Set it to 1 or more.")
        super().__init__(filepath=filepath, **kwargs)
        self._columns = columns
        self.chunk_rows = chunk_rows

    def load(self) -> list[RawTable]:
        """Read all files, in the order of their names.

        Raises:
            DatasetError: If there is no file or more than one of the name, or one is empty, truncated, corrupted, lacks
                or repeats a column, or has rows that run together because a quote is never closed.
        """
        tables, paths = [], self.find_files()
        for path in paths:
            rows = list(chain.from_iterable(self._read_file(path, _BATCH_ROWS)))
            tables.append(RawTable(PurePosixPath(path).name, path, rows, rows[:_HEAD_ROWS], n_files=len(paths)))
        return tables

    def read_chunks(self) -> Iterator[list[RawTable]]:
        """Yield the files one after the other, each in chunks of ``chunk_rows`` rows, the last of up to twice as many.

        Raises:
            DatasetError: As ``load``, for some errors only after the last row.
        """
        paths = self.find_files()
        for path in paths:
            table = RawTable(PurePosixPath(path).name, path, [], [], is_whole=False, n_files=len(paths))
            for rows in self._read_file(path, self.chunk_rows or _BATCH_ROWS):
                table = replace(table, first_row=table.first_row + len(table.rows), rows=rows)
                table = table if table.head else replace(table, head=rows[:_HEAD_ROWS])
                yield [table]

    def find_files(self) -> list[str]:
        """Return the paths of the files.

        Raises:
            DatasetError: If there is none, or it is not clear which one is meant.
        """
        path = str(self._filepath)
        self._fs.invalidate_cache(str(self._filepath.parent))
        found = [candidate for candidate in list_candidates(str(self._filepath)) if self._fs.isfile(candidate)]
        if self._fs.isdir(path):
            found.append(path)
        if not found:
            raise DatasetError(
                f"There is no {path}{'' if _find_suffix(path) else '.csv, .jsonl or .parquet'}, nor a compressed one. "
                f"{self._describe_folder()} Put the file there, or name its folder with --params=raw_dir=DIR."
            )
        if len(found) > 1:
            raise DatasetError(f"There are both {' and '.join(found)}. Remove all but the one that is meant.")
        if found != [path] or not self._fs.isdir(path):
            return found
        files = sorted(str(file) for file in self._fs.ls(path, detail=False) if self._fs.isfile(file))
        chosen = [file for file in files if _find_suffix(file)]
        if len(chosen) < len(files):
            others = (PurePosixPath(file).name for file in files if file not in chosen)
            logger.warning("%s: skipped %s", path, ", ".join(others))
        if not chosen:
            raise DatasetError(f"The folder {path} has no file ending in {', '.join(SUFFIXES)}. Add one.")
        return chosen

    def _describe_folder(self) -> str:
        folder = str(self._filepath.parent)
        if not self._fs.isdir(folder):
            return "The folder does not exist."
        names = sorted(PurePosixPath(path).name for path in self._fs.ls(folder, detail=False))
        if not names:
            return "The folder is empty."
        return f"The folder has: {', '.join(names[:10])}{', …' if len(names) > 10 else ''}."

    def save(self, data: NoReturn) -> NoReturn:
        """Reject the data: raw data is read-only."""
        raise DatasetError(f"{self._filepath} is raw data, which is read-only.")

    def _read_file(self, path: str, size: int) -> Iterator[list[Row]]:
        """Yield the rows of a file in chunks of ``size``."""
        is_empty = True
        try:
            for rows in _split(self._read_rows(path), size):
                if is_empty:
                    self._check_columns(path, list(rows[0]))
                is_empty = False
                yield rows
        # zipfile raises the last two for an unknown compression and for an encrypted file.
        except (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise DatasetError(
                f"{path} cannot be decompressed ({error}). Copy or download it again, or decompress it yourself."
            ) from error
        if is_empty:
            raise DatasetError(f"{path} has no rows. Add rows, or name another folder with raw_dir.")

    def _read_rows(self, path: str) -> Iterator[Row]:
        suffix = _find_suffix(path)
        if suffix == ".parquet":
            yield from self._read_parquet(path)
            return
        encoding = self._find_encoding(path)
        # A U+FFFD in the text itself must not be counted as replaced.
        is_valid, n_replaced = self._is_valid(path, encoding), 0
        newline = "" if suffix == ".csv" else "\n"
        read = _read_csv if suffix == ".csv" else _read_json_lines
        with self._open_text(path, encoding, "strict" if is_valid else "replace", newline) as text:
            for row in read(path, text):
                n_replaced += not is_valid and any("\ufffd" in str(value) for value in row.values())
                yield row
        if not is_valid:
            logger.warning(
                "%s has bytes that are not %s. They became U+FFFD, which is in %d rows.",
                *(path, "UTF-16" if encoding == "utf-16" else "UTF-8", n_replaced),
            )

    def _check_columns(self, path: str, header: list[str]) -> None:
        if missing := [name for name in self._columns or [] if name not in header]:
            raise DatasetError(
                f"{path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}. It has: "
                f"{', '.join(header)[:300]}. Required are: {', '.join(self._columns or [])}."
            )

    def _read_parquet(self, path: str) -> Iterator[Row]:
        with self._open(path) as file:
            try:
                # A decompressed file cannot be read backwards, where Parquet starts.
                source = file if file.seekable() and not isinstance(file, gzip.GzipFile) else io.BytesIO(file.read())
                for batch in pq.ParquetFile(source).iter_batches(_BATCH_ROWS):
                    for row in batch.to_pylist():
                        # NaN, which is not equal to itself, is a missing number, as in JSON lines.
                        yield {name: None if value != value else value for name, value in row.items()}
            except (pa.ArrowException, OSError) as reason:
                raise DatasetError(
                    f"{path} is corrupted or not a Parquet file ({reason}). Copy or download it again."
                ) from reason

    def _find_encoding(self, path: str) -> str:
        with self._open(path) as file:
            # Spreadsheets and PowerShell write UTF-16 with a byte order mark.
            return "utf-16" if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"

    def _is_valid(self, path: str, encoding: str) -> bool:
        """Return whether all bytes can be decoded."""
        with self._open_text(path, encoding, "strict", "") as text:
            try:
                while text.read(_BLOCK):
                    pass
            except UnicodeDecodeError:
                return False
        return True

    @contextmanager
    def _open_text(self, path: str, encoding: str, errors: str, newline: str) -> Iterator[IO[str]]:
        with self._open(path) as file, io.TextIOWrapper(file, encoding, errors, newline) as text:
            yield text

    @contextmanager
    def _open(self, path: str) -> Iterator[Any]:
        """Open a file, decompressed if its first bytes show that it is compressed."""
        with self._fs.open(path, "rb") as file:
            start = file.read(4)
            file.seek(0)
            if start.startswith(_GZIP):
                with gzip.open(file) as content:
                    yield content
            elif start == _ZIP:
                with zipfile.ZipFile(file) as archive, archive.open(_find_member(path, archive)) as content:
                    yield content
            else:
                yield file

    def _exists(self) -> bool:
        return any(self._fs.exists(path) for path in [str(self._filepath), *list_candidates(str(self._filepath))])

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "columns": self._columns}


def list_candidates(path: str) -> list[str]:
    """Return the files that a path of a ``RawTablesDataset`` can mean, a folder apart."""
    if path.endswith(_COMPRESSED):
        return [path]
    plain = [path] if _find_suffix(path) else [path + suffix for suffix in SUFFIXES]
    return [name + ending for name in plain for ending in ("", *_COMPRESSED)]


def _find_suffix(path: str) -> str:
    """Return the suffix of a known kind of file, without that of its compression; empty if there is none."""
    name = PurePosixPath(path.removesuffix(".gz").removesuffix(".zip"))
    return name.suffix if name.suffix in SUFFIXES else ""


def _find_member(path: str, archive: zipfile.ZipFile) -> str:
    """Return the one file of an archive that has the archive's name."""
    names = archive.namelist()
    expected = PurePosixPath(path).name.removesuffix(".zip")
    members = [name for name in names if PurePosixPath(name).name == expected]
    if len(members) != 1:
        raise DatasetError(
            f"{path} has {len(members)} files named {expected}; it has {', '.join(names[:5]) or 'none'}. Extract the "
            "right one into its folder."
        )
    return members[0]


def _read_csv(path: str, text: IO[str]) -> Iterator[Row]:
    n_rows = n_surplus = n_empty = 0
    lines = _read_cells(path, text)
    header = next(lines, [])
    _check_header(path, header)
    for cells in lines:
        if not any(cells):
            n_empty += 1
            continue
        n_rows += 1
        n_surplus += any(cells[len(header) :])
        # A row that ends early is filled with empty cells.
        cells += [""] * (len(header) - len(cells))
        yield {name: cell for name, cell in zip(header, cells, strict=False) if name}
    if n_rows and n_surplus == n_rows:
        raise DatasetError(f"{path} has more cells in its rows than columns in its first line. Quote the cells.")
    if n_surplus:
        logger.warning(
            "%s has %d rows with more cells than its %d columns; the surplus is dropped. Quote cells with commas.",
            *(path, n_surplus, len(header)),
        )
    if n_empty:
        logger.warning("%s has %d rows without content, which are skipped.", path, n_empty)


def _read_json_lines(path: str, text: IO[str]) -> Iterator[Row]:
    for number, line in enumerate(text, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, strict=False, parse_float=str, parse_constant=lambda _: None)
        except (ValueError, RecursionError) as reason:
            raise DatasetError(
                f"Line {number} of {path} is not JSON ({reason}). Was the file truncated? Each line has to be one JSON "
                f"object{_AS_LINES}."
            ) from None
        if not isinstance(row, dict):
            raise DatasetError(f"Line {number} of {path} is not a JSON object. Each line has to be one{_AS_LINES}.")
        if line.count("[") + line.count("{") > _LEVELS and _is_deeper(row, _LEVELS):
            raise DatasetError(
                f"Line {number} of {path} is nested more than {_LEVELS} levels deep. Write what is nested as text, or "
                "remove it."
            )
        yield row


def _check_header(path: str, header: list[str]) -> None:
    if not any(header):
        raise DatasetError(f"{path} is empty. Replace it with the CSV.")
    if len(header) == 1 and (separators := [name for name in _SEPARATORS if name in header[0]]):
        raise DatasetError(
            f"The first line of {path} is {header[0][:300]!r}, which is one column with {_SEPARATORS[separators[0]]} "
            "in its name. Separate columns by commas."
        )
    # A spreadsheet's or a table's index may have no name.
    if repeated := sorted({name for name in header if name and header.count(name) > 1}):
        raise DatasetError(
            f"{path} has the column{'s' if len(repeated) > 1 else ''} {', '.join(repeated)} more than once. Its first "
            f"line is: {','.join(header)[:300]!r}. Remove or rename all but one."
        )


def _read_cells(path: str, text: IO[str]) -> Iterator[list[str]]:
    """Yield the cells of each line, and reject text after a closing quote: rows run together."""
    # A global setting; a cell may have any length.
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(text, strict=True)
    try:
        # A blank line has no cells, and one of white space a single one.
        yield from (cells for cells in reader if len(cells) > 1 or "".join(cells).strip())
    except csv.Error as error:
        raise DatasetError(
            f"{path} has a quote that is not closed, in line {reader.line_num} or above, so that rows run together "
            f"({error}). Was the file truncated? Close the quote, and write a quote inside a cell as two."
        ) from error


def _is_deeper(value: Any, levels: int) -> bool:
    nested = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in nested if isinstance(each, dict | list))


def _split(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    """Yield chunks of at least ``size`` rows: a short remainder is added to the last chunk."""
    chunk = list(islice(rows, size))
    while len(following := list(islice(rows, size))) == size:
        yield chunk
        chunk = following
    if chunk:
        yield list(chain(chunk, following))
