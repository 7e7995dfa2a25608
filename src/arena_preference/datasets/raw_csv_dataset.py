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
from itertools import chain, islice
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
_BLOCK: Final = 2**20
# A line of its own after the last one, unless a quote is open there. No text has this noncharacter.
_END: Final = "\uffff"


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
        chunk_rows: int | None = None,
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Describe the table.

        Args:
            filepath: POSIX path, with a protocol such as ``s3://`` where it is not local.
            columns: Columns that must be there.
            optional_columns: Columns that are read if they are there.
            chunk_rows: Rows that are read at a time, so that no more than the named columns of all rows are ever in
                memory; None reads all at once.
            credentials: Passed to the filesystem.
            fs_args: Passed to the filesystem.
            metadata: Ignored by Kedro, read by plugins.
        """
        protocol, path = get_protocol_and_path(filepath)
        self._protocol = protocol
        self._filepath = PurePosixPath(path)
        self._fs = fsspec.filesystem(protocol, **deepcopy(fs_args or {}), **deepcopy(credentials or {}))
        if chunk_rows is not None and chunk_rows < 1:
            raise DatasetError(f"'{filepath}' is to be read {chunk_rows} rows at a time. Set chunk_rows to 1 or more.")
        self._columns = list(columns)
        self._optional_columns = list(optional_columns or [])
        self.chunk_rows = chunk_rows
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
        chunks = list(self._read(self.chunk_rows))
        return pd.concat(chunks) if len(chunks) > 1 else chunks[0]

    def read_chunks(self) -> Iterator[pd.DataFrame]:
        """Read the table as ``load`` does, and never have more of it in memory than twice ``chunk_rows``.

        Yields:
            At least ``chunk_rows`` rows, or all there are, numbered through.

        Raises:
            DatasetError: As ``load``; some faults show only when the last rows have been read.
        """
        return self._read(self.chunk_rows)

    def _read(self, rows: int | None) -> Iterator[pd.DataFrame]:
        path = self._find_file()
        try:
            for table in self._parse(path, rows):
                table.attrs["source"] = path
                yield table
        except pd.errors.EmptyDataError as error:
            raise DatasetError(f"{path} is empty. Put the CSV there again.") from error
        except (pd.errors.ParserError, csv.Error) as error:
            raise DatasetError(f"{path} is not a CSV that can be read ({error}). Was it cut off or edited?") from error
        # zipfile raises the last two for a compression that it does not know and for a file that wants a password.
        except (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise DatasetError(
                f"{path} cannot be unpacked ({error}). Copy or download it again, or unpack it yourself."
            ) from error

    def _parse(self, path: str, rows: int | None) -> Iterator[pd.DataFrame]:
        """Give the table in chunks of ``rows``, None for one, and then say what was found to be wrong with it."""
        encoding = self._find_encoding(path)
        is_clean = self._decodes(path, encoding)
        options = {"encoding": encoding, "encoding_errors": "strict" if is_clean else "replace"}
        with self._open(path) as file:
            header = _read_csv(file, header=None, nrows=1, **options).iloc[0].tolist()
        self._check_header(path, header)
        columns = len(header)
        wanted = [name for name in (*self._columns, *self._optional_columns) if name in header]
        count = long = damaged = 0
        is_odd = False
        # Releases of pandas before 3.1 lose what follows a NUL in a cell.
        if rows is None and not self._has_nul(path, encoding):
            tables = iter([self._read_cells(path, columns, options)])
        else:
            tables = self._read_cells_in_chunks(path, columns, rows or sys.maxsize, options)
        for table in tables:
            # pandas leaves a gap where a line ends early; here a gap is an empty cell like any other.
            table = table.fillna("")
            count += len(table)
            # What stands beyond the last column.
            surplus = (table.pop(columns) != "").sum() if columns in table else 0
            long += surplus
            # A quote that is not closed makes one cell of what follows, up to and with the next cell in quotes.
            is_odd |= surplus > 0 or any(
                (cells == "").any() or cells.str.endswith('"').any() for _, cells in table.items()
            )
            if not is_clean:
                damaged += np.any([table[name].str.contains("\ufffd") for name in table], axis=0).sum()
            yield table[[header.index(name) for name in wanted]].set_axis(wanted, axis="columns")
        if not count:
            raise DatasetError(f"{path} holds a header and no rows. Put the rows there, or point raw_dir elsewhere.")
        if long == count:
            raise DatasetError(f"{path} has more cells in its rows than columns in its first line. Quote the cells.")
        if is_odd:
            self._check_quotes(path, encoding)
        if long:
            logger.warning(
                "%s has %d lines with more cells than its %d columns; the surplus is left out. Quote cells that hold "
                "commas.",
                *(path, long, columns),
            )
        if not is_clean:
            logger.warning(
                "%s holds bytes that are not %s. They have become U+FFFD; %d rows hold that character now.",
                *(path, "UTF-16" if encoding == "utf-16" else "UTF-8", damaged),
            )

    def _find_encoding(self, path: str) -> str:
        with self._open(path) as file:
            # Spreadsheets and PowerShell write UTF-16 and mark it.
            return "utf-16" if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"

    def _decodes(self, path: str, encoding: str) -> bool:
        decoder = codecs.getincrementaldecoder(encoding)()
        with self._open(path) as file:
            try:
                while block := file.read(_BLOCK):
                    decoder.decode(block)
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                return False
        return True

    def _has_nul(self, path: str, encoding: str) -> bool:
        with self._open(path) as file, io.TextIOWrapper(file, encoding, "replace", newline="") as text:
            return any("\0" in block for block in iter(lambda: text.read(_BLOCK), ""))

    def _read_cells(self, path: str, columns: int, options: dict[str, Any]) -> pd.DataFrame:
        """Give the cells under the numbers of their columns; with one column more if there are lines with surplus."""
        try:
            with self._open(path) as file:
                table = _read_csv(file, header=0, names=range(columns), **options)
            # pandas takes surplus cells of the first row for row names, which would shift every column by one.
            if isinstance(table.index, pd.RangeIndex):
                return table
        except pd.errors.ParserError as error:
            if "Expected" not in str(error):
                raise
        # One column more takes what stands beyond the last one; named columns alone are read, however many more.
        names = range(columns + 1)
        with self._open(path) as file:
            return _read_csv(file, header=0, names=names, usecols=names, low_memory=False, **options)

    def _read_cells_in_chunks(
        self, path: str, columns: int, rows: int, options: dict[str, Any]
    ) -> Iterator[pd.DataFrame]:
        """Give the same cells chunk by chunk, always with one column more, which pandas' own chunks would refuse."""
        with self._open(path) as file, _read_lines(file, **options, end=_END) as lines:
            filled = self._skip_blank_lines(path, lines)
            next(filled)
            start, last = 0, None
            while chunk := [
                [*cells[:columns], *[""] * (columns - len(cells)), "".join(cells[columns:])]
                for cells in islice(filled, rows)
            ]:
                table = pd.DataFrame(chunk, index=range(start, start + len(chunk)), dtype=str)
                start += len(chunk)
                # So few rows say little of a file, as where all of them are damaged: they go with those before.
                is_short = last is not None and len(table) < rows
                if last is not None and not is_short:
                    yield last
                last = pd.concat([last, table]) if is_short else table
            if last is not None:
                yield last

    def _skip_blank_lines(self, path: str, lines: Any) -> Iterator[list[str]]:
        for cells in lines:
            if cells == [_END]:
                return
            # As pandas: a line of nothing but blanks is none.
            if len(cells) > 1 or "".join(cells).strip(" \t"):
                yield cells
        raise DatasetError(
            f"{path} has a quote that is not closed, so that rows have run together up to its end. Was it cut off? "
            "Close the quote, and write a quote inside of a cell as two."
        )

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
        with self._open(path) as file, _read_lines(file, encoding, "replace", strict=True) as lines:
            try:
                collections.deque(lines, maxlen=0)
            except csv.Error as error:
                raise DatasetError(
                    f"{path} has a quote that is not closed, in line {lines.line_num} or above, so that rows have run "
                    f"together ({error}). Close it, and write a quote inside of a cell as two."
                ) from error

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


def _read_csv(file: Any, **options: Any) -> Any:
    return pd.read_csv(file, dtype=str, keep_default_na=False, **options)


@contextmanager
def _read_lines(
    file: Any, encoding: str, encoding_errors: str, *, end: str | None = None, strict: bool = False
) -> Iterator[Any]:
    """Give Python's own reader of CSV, for cells of any length, with one line more at the end if it is given."""
    # It is one number for all threads.
    csv.field_size_limit(sys.maxsize)
    with io.TextIOWrapper(file, encoding, encoding_errors, newline="") as text:
        yield csv.reader(chain(text, [] if end is None else [end]), strict=strict)
