"""The texts of battles as Polars tables with the columns ``FIELDS``."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa

from arena_preference.battles import TEXT_COLUMNS

from .patterns import LETTER, SENTENCE

IntArray = npt.NDArray[np.int64]

SIDES: Final = ("a", "b")
#: The texts of a battle: its prompt and the responses of sides a and b.
FIELDS: Final = ("prompt", *SIDES)


def read_turns(battles: pd.DataFrame) -> pl.DataFrame:
    """Return the turns of each field as a list of strings, null where the turn is null.

    Raises:
        ValueError: If a text column is missing.
    """
    missing = [name for name in TEXT_COLUMNS if name not in battles]
    if missing:
        raise ValueError(
            f"The battles have no columns {missing}, only {list(battles.columns)}. "
            "Pass the table that the pipeline ingestion writes."
        )
    list_of_turns = pa.large_list(pa.large_string())
    columns = {
        field: pa.array(battles[name].to_list(), type=list_of_turns)
        for field, name in zip(FIELDS, TEXT_COLUMNS, strict=True)
    }
    return pl.DataFrame(pa.table(columns))


def join_turns(turns: pl.DataFrame) -> pl.DataFrame:
    """Return one string per field: its turns, null ones as empty, separated by blank lines."""
    return turns.select(pl.col(FIELDS).list.eval(pl.element().fill_null("")).list.join("\n\n"))


def iter_chunks(turns: pl.DataFrame, chunk_rows: int) -> Iterator[pl.DataFrame]:
    """Iterate over slices; a table without rows is one slice, from which the columns of a result follow."""
    yield from turns.iter_slices(chunk_rows) if len(turns) else [turns]


def iter_group_chunks(groups: Iterable[IntArray], chunk_rows: int) -> Iterator[list[IntArray]]:
    """Iterate over lists of groups, which are arrays of row numbers, with about ``chunk_rows`` rows in each list."""
    chunk, n_rows = [], 0
    for rows in groups:
        chunk.append(rows)
        n_rows += len(rows)
        if n_rows >= chunk_rows:
            yield chunk
            chunk, n_rows = [], 0
    if chunk:
        yield chunk


def split_sentences(texts: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return one row per sentence of a column of strings or nulls; without a letter, as in "1.", there is none."""
    sentences = texts.with_columns(pl.col(column).str.extract_all(SENTENCE)).explode(column)
    return sentences.filter(pl.col(column).str.contains(LETTER))


def sample_texts(battles: pd.DataFrame, fields: Sequence[str], max_texts: int, seed: int) -> pl.Series:
    """Return the distinct texts of some fields, at most ``max_texts`` of them, sampled at random."""
    joined = join_turns(read_turns(battles))
    texts = pl.concat([joined[field].alias("text") for field in fields]).unique(maintain_order=True)
    if len(texts) > max_texts:
        texts = texts.gather(np.sort(np.random.default_rng(seed).choice(len(texts), max_texts, replace=False)))
    return texts
