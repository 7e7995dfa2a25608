"""Further votes from the Hub, without the prompts that are held out."""

import logging
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from kedro.io import DatasetError

from arena_preference.battles import prompt_group
from arena_preference.datasets import RawTablesDataset
from arena_preference.formats import Format, Row, UnusableRowError, find_format

from .clients import DownloadError, fetch_from_hub, hash_file, list_on_hub
from .config import FurtherDataset, HubDataset

logger = logging.getLogger(__name__)

# Rows in memory at a time.
_PARSED_ROWS: Final = 1000
_COPIED_ROWS: Final = 5000


@dataclass(frozen=True)
class FurtherBattles:
    """The files of a dataset at one commit, by their names on the Hub."""

    source: HubDataset
    paths: dict[str, Path]


def fetch_further(entry: FurtherDataset) -> FurtherBattles:
    """Fetch the files of a dataset into the cache.

    Raises:
        DownloadError: If one of them cannot be fetched.
    """
    source, files = list_on_hub(entry)
    return FurtherBattles(source, {file: fetch_from_hub(source, file) for file in files})


def select_further(
    name: str, fetched: FurtherBattles, held_out_groups: Set[str]
) -> tuple[pa.RecordBatchReader, dict[str, Any]]:
    """The rows of all files in one table, except those with a prompt that is held out, and a summary.

    Rows are neither changed nor checked: ingestion reports those that it cannot use.

    Args:
        name: Name of the dataset among the parameters ``download.datasets``.
        fetched: Its files.
        held_out_groups: Prompt groups of the test file.

    Returns:
        The rows, which are read when they are asked for; and dataset and commit, SHA-256 of the files, number of rows,
        and number of rows left out.

    Raises:
        DownloadError: If a file is not a Parquet file of battles, or the files differ in their columns.
    """
    label = f"{fetched.source.dataset}@{fetched.source.revision}"
    paths = list(fetched.paths.values())
    is_kept = [_find_kept(path, label, held_out_groups) for path in paths]
    schemas = [pq.read_schema(path) for path in paths]
    if not all(schema.equals(schemas[0]) for schema in schemas):
        raise DownloadError(
            f"The files {', '.join(fetched.paths)[:300]} of {label} differ in their columns, so they cannot become one "
            f"file. Correct files of {name} in download.datasets."
        )
    n_kept = sum(int(mask.sum()) for mask in is_kept)
    n_left_out = sum(mask.size for mask in is_kept) - n_kept
    logger.info("%s: %d battles to train on; %d with prompts of the test file are left out", label, n_kept, n_left_out)
    summary = {
        "name": label,
        "sha256": {file: hash_file(path) for file, path in fetched.paths.items()},
        "rows": n_kept,
        "left_out": n_left_out,
    }
    return pa.RecordBatchReader.from_batches(schemas[0], _read_kept(paths, is_kept)), summary


def _find_kept(path: Path, label: str, held_out_groups: Set[str]) -> npt.NDArray[np.bool_]:
    is_kept: list[bool] = []
    try:
        for (table,) in RawTablesDataset(filepath=path.as_posix(), chunk_rows=_PARSED_ROWS).read_chunks():
            form = find_format(table.path, table.head)
            is_kept += [not _is_held_out(form, row, held_out_groups) for row in table.rows]
    except DatasetError as error:
        # A cached file is not fetched again.
        path.unlink(missing_ok=True)
        raise DownloadError(
            f"{path.name} of {label} cannot be read: {error} It was removed from the cache. Start again; if the error "
            "stays, leave the dataset out of download.also."
        ) from None
    # There is no known format.
    except ValueError as error:
        raise DownloadError(
            f"{path.name} of {label} has no battles that can be used: {error} Leave the dataset out of download.also."
        ) from None
    return np.array(is_kept)


def _is_held_out(form: Format, row: Row, held_out_groups: Set[str]) -> bool:
    try:
        battles = list(form.parse(row))
    except UnusableRowError:
        # Ingestion leaves it out, and says why.
        return False
    return any(prompt_group(battle["prompt"]) in held_out_groups for battle in battles)


def _read_kept(paths: list[Path], is_kept: list[npt.NDArray[np.bool_]]) -> Iterator[pa.RecordBatch]:
    for path, mask in zip(paths, is_kept, strict=True):
        start = 0
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_COPIED_ROWS):
                yield batch.filter(pa.array(mask[start : start + batch.num_rows]))
                start += batch.num_rows
