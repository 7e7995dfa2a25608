"""Scores a file of any size in chunks. Each chunk is stored when it is scored, so an interrupted command resumes."""

import hashlib
import json
import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from arena_preference import __version__
from arena_preference.battles import ID, LABEL_COLUMNS
from arena_preference.datasets import RawTable, RawTablesDataset
from arena_preference.datasets.atomic_write import atomic_write
from arena_preference.pipelines.ingestion.parsing import count_reasons

if TYPE_CHECKING:
    from .judge import Judge

#: Suffixes of the output.
SUFFIXES: Final = (".csv", ".jsonl", ".parquet")

_JOB: Final = "job.json"
_SCHEMA: Final = pa.schema({ID: pa.string(), **dict.fromkeys(LABEL_COLUMNS, pa.float64())})
# What ingestion says of every chunk is counted for the whole file instead; the reader would warn once for each reading.
_PARSING: Final = "arena_preference.pipelines.ingestion.parsing"
_READING: Final = "arena_preference.datasets.raw_tables_dataset"


class Survey(NamedTuple):
    """A file before it is scored.

    Attributes:
        rows: Their number.
        faults: Reasons why rows do not fit their format, with numbers of rows; they are scored from their raw text.
        excluded: Reasons why training would leave out other rows; they are scored from what could be read.
    """

    rows: int
    faults: Counter[str]
    excluded: Counter[str]


def score_file(
    judge: "Judge",
    path: Path,
    out: Path,
    *,
    context: Literal["none", "batch"] = "none",
    chunk_rows: int = 1000,
    restart: bool = False,
    report: Callable[[int, int], None] = lambda done, rows: None,
) -> Survey:
    """Write the probabilities of a file's battles: id, winner_model_a, winner_model_b, winner_tie, in its order.

    Chunks are stored in the folder ``<out>.parts``. It is removed when the output is complete; after an interruption,
    the same call scores what is missing, and the output has the same bytes as without the interruption.

    Args:
        judge: The model.
        path: A file of battles in any format.
        out: The output, whose suffix says its type.
        context: ``none``: each battle alone. ``batch``: with the other battles of its prompt, for which the whole file
            is read into memory and scored at once.
        chunk_rows: Rows that are read, scored and stored at a time.
        restart: Remove the chunks of an earlier command.
        report: Called with the number of scored rows and that of all rows, first and after every chunk.

    Raises:
        ValueError: If the format is not known, ids are missing or repeated, or the stored chunks are of another job.
        DatasetError: If the file cannot be read.
    """
    dataset = RawTablesDataset(filepath=str(path), chunk_rows=chunk_rows)
    parts, job = out.with_name(f"{out.name}.parts"), _describe_job(judge, path, context, chunk_rows)
    _check_parts(parts, job, restart)
    with _quiet(_PARSING):
        survey = _survey(dataset, judge, context)
    _make_parts(parts, job)
    with _quiet(_PARSING, _READING):
        done = 0
        report(done, survey.rows)
        stored = []
        for number, tables in enumerate(_read(dataset, context)):
            part = parts / f"{number:06d}.parquet"
            rows = sum(len(table.rows) for table in tables)
            if part.exists():
                _check_part(part, rows)
            else:
                predictions, _ = judge.predict_tables(tables, context=context)
                _store_part(predictions, part)
            stored.append(part)
            done += rows
            report(done, survey.rows)
    _merge(stored, out)
    shutil.rmtree(parts)
    return survey


def _describe_job(judge: "Judge", path: Path, context: str, chunk_rows: int) -> dict[str, Any]:
    """Everything that the chunks depend on."""
    manifest, file = judge.manifest, path.stat()
    datasets = {**manifest.read, **manifest.written}
    hashes = json.dumps({name: datasets[name].sha256 for name in sorted(datasets)})
    return {
        "input": str(path.resolve()),
        "size": file.st_size,
        "modified": file.st_mtime_ns,
        "run": manifest.run_id,
        "run_sha256": hashlib.sha256(hashes.encode()).hexdigest(),
        "context": context,
        # The whole file is one chunk.
        "chunk_rows": None if context == "batch" else chunk_rows,
        "version": __version__,
    }


def _check_parts(folder: Path, job: dict[str, Any], restart: bool) -> None:
    """Remove the folder of the chunks for a restart, or check that it holds those of the job.

    Raises:
        ValueError: If the folder holds something else, or chunks of another job.
    """
    described = folder / _JOB
    if folder.exists() and not described.is_file() and any(folder.iterdir()):
        raise ValueError(f"'{folder}' exists and holds no scored chunks. Move it away, or choose another output.")
    if restart:
        shutil.rmtree(folder, ignore_errors=True)
    if described.is_file():
        before = json.loads(described.read_text(encoding="utf-8"))
        changes = [f"{name} was {before.get(name)} and is {job[name]}" for name in job if before.get(name) != job[name]]
        if changes:
            raise ValueError(
                f"'{folder}' holds chunks of another job: {'; '.join(changes)}. Repeat the first command as it was, or "
                "remove the chunks with --restart."
            )


def _make_parts(folder: Path, job: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    with atomic_write(LocalFileSystem(), str(folder / _JOB), "w", encoding="utf-8") as file:
        json.dump(job, file, indent=2)


def _read(dataset: RawTablesDataset, context: str) -> Iterator[Sequence[RawTable]]:
    if context == "batch":
        yield dataset.load()
    else:
        yield from dataset.read_chunks()


def _survey(dataset: RawTablesDataset, judge: "Judge", context: str) -> Survey:
    """Read the whole file once, so that what cannot be scored is known before hours of scoring.

    Raises:
        ValueError: If an id occurs twice.
    """
    digests: list[npt.NDArray[Any]] = []
    faults, excluded = Counter[str](), Counter[str]()
    for tables in _read(dataset, context):
        battles, rejected = judge.read_tables(tables)
        digests.append(_digest(battles[ID]))
        faults.update(count_reasons(rejected[rejected["is_fault"]]))
        excluded.update(count_reasons(rejected[~rejected["is_fault"]]))
    # 16 bytes per row are in memory, and not the ids.
    every = pd.DataFrame(np.concatenate(digests))
    repeated = np.flatnonzero(every.duplicated(keep=False))
    if len(repeated):
        same = np.flatnonzero((every == every.loc[repeated[0]]).all(axis=1)) + 1
        raise ValueError(
            f"{len(repeated)} rows have the id of another row, as rows {same[0]} and {same[1]} have. Give every row "
            "its own id."
        )
    return Survey(len(every), faults, excluded)


def _digest(ids: pd.Series) -> npt.NDArray[np.uint64]:
    hashes = b"".join(hashlib.blake2b(text.encode(), digest_size=16).digest() for text in ids)
    return np.frombuffer(hashes, dtype=np.uint64).reshape(-1, 2)


def _store_part(predictions: pd.DataFrame, part: Path) -> None:
    table = pa.Table.from_pandas(predictions, schema=_SCHEMA, preserve_index=False).replace_schema_metadata(None)
    with atomic_write(LocalFileSystem(), str(part)) as file:
        pq.write_table(table, file)


def _check_part(part: Path, rows: int) -> None:
    if pq.read_metadata(part).num_rows != rows:
        raise ValueError(f"'{part}' does not have the {rows} rows of its chunk. Score again with --restart.")


def _merge(parts: Sequence[Path], out: Path) -> None:
    """Write the chunks into one file, with one of them in memory at a time."""
    tables = (pq.read_table(part) for part in parts)
    fs = LocalFileSystem()
    if out.suffix == ".parquet":
        with atomic_write(fs, str(out)) as file, pq.ParquetWriter(file, _SCHEMA) as writer:
            for table in tables:
                writer.write_table(table)
        return
    with atomic_write(fs, str(out), "w", encoding="utf-8", newline="") as file:
        for number, table in enumerate(tables):
            if out.suffix == ".csv":
                table.to_pandas().to_csv(file, index=False, header=number == 0, lineterminator="\n")
            else:
                file.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in table.to_pylist())


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Silence loggers as long as the context lasts."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
