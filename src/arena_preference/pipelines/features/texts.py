"""The distinct texts of battles."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from arena_preference.battles import TEXT_COLUMNS

from .patterns import LETTER, SENTENCE

IntArray = npt.NDArray[np.int64]

SIDES: Final = ("a", "b")
#: The texts of a battle: its prompt and the responses of sides a and b.
FIELDS: Final = ("prompt", *SIDES)


class Texts(NamedTuple):
    """The distinct texts of some battles, so that a text which occurs often is measured once.

    Attributes:
        turns: The turns of each text, None where a turn is null.
        rows: The texts of the battles' ``FIELDS``, shape (battles, 3).
    """

    turns: list[tuple[str | None, ...]]
    rows: IntArray

    def select(self, *fields: str) -> IntArray:
        """Return the rows of some fields, shape (battles, fields)."""
        return self.rows[:, [FIELDS.index(field) for field in fields]]

    def join(self, rows: IntArray | None = None) -> list[str]:
        """Return one string per text, or those of some rows: turns, null ones as empty, separated by blank lines."""
        turns = self.turns if rows is None else [self.turns[row] for row in rows]
        return ["\n\n".join(turn or "" for turn in of_text) for of_text in turns]


def read_turns(battles: pd.DataFrame) -> Texts:
    """Return the distinct texts of all fields.

    Raises:
        ValueError: If a text column is missing.
    """
    missing = [name for name in TEXT_COLUMNS if name not in battles]
    if missing:
        raise ValueError(
            f"The battles have no columns {missing}, only {list(battles.columns)}. "
            "Pass the table that the pipeline ingestion writes."
        )
    numbers: dict[tuple[str | None, ...], int] = {}
    rows = [[numbers.setdefault(tuple(turns), len(numbers)) for turns in battles[name]] for name in TEXT_COLUMNS]
    return Texts(list(numbers), np.array(rows, dtype=np.int64).T)


def iter_chunks(battles: pd.DataFrame, chunk_rows: int) -> Iterator[Texts]:
    """Iterate over the texts of slices; no battles are one slice, from which the columns of a result follow."""
    for start in range(0, max(len(battles), 1), chunk_rows):
        yield read_turns(battles[start : start + chunk_rows])


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
    sentences = texts.lazy().with_columns(pl.col(column).str.extract_all(SENTENCE)).explode(column)
    # A plan for one battle takes longer to optimise than to run.
    return sentences.filter(pl.col(column).str.contains(LETTER)).collect(optimizations=pl.QueryOptFlags.none())


def sample_texts(battles: pd.DataFrame, fields: Sequence[str], max_texts: int, seed: int) -> pl.Series:
    """Return the distinct texts of some fields, at most ``max_texts`` of them, sampled at random."""
    read = read_turns(battles)
    # Field after field; texts of different turns can be equal when joined.
    texts = pl.Series("text", list(dict.fromkeys(read.join(read.select(*fields).T.ravel()))))
    if len(texts) > max_texts:
        texts = texts.gather(np.sort(np.random.default_rng(seed).choice(len(texts), max_texts, replace=False)))
    return texts
