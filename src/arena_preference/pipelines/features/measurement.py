"""How the tables of ``quantities`` are evaluated: from battles to one row per battle with every column they read.

A *unit* is one text of a battle: its prompt, its answer a or its answer b. All counting happens on two long tables, one
row per turn and one row per word, so that no Python code runs per row, apart from the compressor, which Polars lacks.
"""

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa

from arena_preference.battles import TEXT_COLUMNS

from .patterns import LETTER, LEXICA, LINE, NO_WORD_CHARACTER, NUMBER, SENTENCE, WORD
from .quantities import LAST_TURN_COUNTS, PROMPT_TURN_COUNTS, TURN_COUNTS

IntArray = npt.NDArray[np.int64]

UNITS: Final = ("prompt", "a", "b")
_TURN_SEPARATOR: Final = "\n\n"
_LONG_WORD_CHARACTERS: Final = 7
_TERM_CHARACTERS: Final = 3
_OPENING_CHARACTERS: Final = 20
_COMPRESSION_LEVEL: Final = 1
# Keeps the hash of "a b" apart from that of "b a"; any odd number with mixed bits serves, this is 2^64 / golden ratio.
_GRAM_FACTOR: Final = 0x9E3779B97F4A7C15
_BATTLE_BITS: Final = 16
_UNIT_BITS: Final = 2
#: A chunk of more battles than this cannot be measured.
MAX_CHUNK_ROWS: Final = 1 << _BATTLE_BITS


def read_turns(battles: pd.DataFrame) -> pl.DataFrame:
    """Bring the three text columns to Polars: columns ``prompt``, ``a``, ``b``, each a list of strings with nulls.

    Raises:
        ValueError: If a text column is missing.
    """
    missing = [name for name in TEXT_COLUMNS if name not in battles]
    if missing:
        raise ValueError(
            f"Battles lack the columns {missing}: theirs are {list(battles.columns)}. "
            "Give the table that the pipeline ingestion writes."
        )
    list_of_turns = pa.large_list(pa.large_string())
    columns = {
        unit: pa.array(battles[name].to_list(), type=list_of_turns)
        for unit, name in zip(UNITS, TEXT_COLUMNS, strict=True)
    }
    return pl.DataFrame(pa.table(columns))


def join_turns(texts: pl.DataFrame) -> pl.DataFrame:
    """Make one string of each unit, its turns parted by a blank line; a null turn counts as empty."""
    return texts.select(pl.col(UNITS).list.eval(pl.element().fill_null("")).list.join(_TURN_SEPARATOR))


def split_rows(texts: pl.DataFrame, chunk_rows: int) -> Iterator[pl.DataFrame]:
    """Cut into chunks. No rows give one chunk without rows, from which the columns of the result can still be told."""
    yield from texts.iter_slices(chunk_rows) if len(texts) else [texts]


def list_sentences(texts: pl.DataFrame, column: str) -> pl.DataFrame:
    """Give a row to each sentence of a column of texts, null allowed. What holds no letter, as "1.", is no sentence."""
    sentences = texts.with_columns(pl.col(column).str.extract_all(SENTENCE)).explode(column)
    return sentences.filter(pl.col(column).str.contains(LETTER))


def measure_battles(texts: pl.DataFrame, compressed_characters: int) -> pl.DataFrame:
    """Measure every unit of some battles.

    Args:
        texts: Columns ``prompt``, ``a``, ``b`` as ``read_turns`` gives them, at most ``MAX_CHUNK_ROWS`` rows.
        compressed_characters: The compressor reads the first so many characters of an answer.

    Returns:
        One row per battle in the order given, without nulls: ``<count>_<unit>`` for each count and unit, what
        ``_count_overlaps`` gives for words, terms, figures, n-grams and lines, and what ``_compare_answers`` gives.
    """
    turns = _list_turns(texts)
    words = _list_words(turns)
    items = {
        "words": words,
        "terms": words.filter("is_term"),
        "figures": words.filter("is_figure"),
        "bigrams": _list_grams(words, 2),
        "trigrams": _list_grams(words, 3),
        "lines": _list_lines(turns),
    }
    return pl.concat(
        [
            _spread_units([_sum_turns(turns), _sum_words(words), _sum_sentences(turns)], len(texts)),
            _ask_prompts(turns, len(texts)),
            *(_count_overlaps(of_kind, kind, len(texts)) for kind, of_kind in items.items()),
            _compare_answers(texts, compressed_characters),
        ],
        how="horizontal",
    )


def _list_turns(texts: pl.DataFrame) -> pl.DataFrame:
    """One row per turn of every unit: place (its number), unit, turn (null allowed), text (null as empty), lower."""
    units = [
        texts.select(
            (pl.int_range(pl.len(), dtype=pl.UInt32) * len(UNITS) + column).alias("unit"),
            pl.col(unit).alias("turn"),
        )
        for column, unit in enumerate(UNITS)
    ]
    # Of an empty list, explode would make a null turn that was never there.
    return (
        pl.concat(units)
        .filter(pl.col("turn").list.len() > 0)
        .explode("turn")
        .with_columns(pl.col("turn").fill_null("").alias("text"))
        .with_columns(pl.col("text").str.to_lowercase().alias("lower"))
        .with_row_index("place")
    )


def _list_words(turns: pl.DataFrame) -> pl.DataFrame:
    """One row per word: unit, place of its turn, hash, characters, lexica (as bits), is_term, is_figure.

    A term is a word that carries content; a figure is a word that starts with a digit.
    """
    words = turns.select("unit", "place", pl.col("lower").str.extract_all(WORD).alias("word")).explode("word")
    return (
        words.drop_nulls("word")
        .with_columns(
            pl.col("word").hash().alias("hash"),
            pl.col("word").str.len_chars().alias("characters"),
            pl.col("word").replace_strict(_lexicon_bits(), default=0, return_dtype=pl.UInt32).alias("lexica"),
            pl.col("word").str.contains("^[0-9]").alias("is_figure"),
        )
        .with_columns(
            (~_is_in_lexicon("function_words") & (pl.col("characters") >= _TERM_CHARACTERS)).alias("is_term"),
        )
        .drop("word")
    )


@cache
def _lexicon_bits() -> dict[str, int]:
    """Map each known word to the set of its lexica, one bit each, so that one look-up answers for all of them."""
    bits: dict[str, int] = {}
    for place, words in enumerate(LEXICA.values()):
        for word in words:
            bits[word] = bits.get(word, 0) | 1 << place
    return bits


def _is_in_lexicon(name: str) -> pl.Expr:
    return pl.col("lexica") & (1 << list(LEXICA).index(name)) > 0


def _list_grams(words: pl.DataFrame, size: int) -> pl.DataFrame:
    """One row per n-gram of ``size`` words: unit and hash. An n-gram never crosses from one turn into the next."""
    gram = pl.col("hash")
    for step in range(1, size):
        gram = pl.col("hash").shift(-step) ^ (gram * pl.lit(_GRAM_FACTOR, pl.UInt64))
    ends_in_its_turn = pl.col("place") == pl.col("place").shift(1 - size)
    return words.select("unit", gram.alias("hash"), ends_in_its_turn.alias("whole")).filter("whole").drop("whole")


def _list_lines(turns: pl.DataFrame) -> pl.DataFrame:
    """One row per line that is not blank: unit and hash."""
    lines = turns.select("unit", pl.col("text").str.extract_all(LINE).alias("line")).explode("line").drop_nulls("line")
    return lines.select("unit", pl.col("line").hash().alias("hash"))


def _sum_turns(turns: pl.DataFrame) -> pl.DataFrame:
    """Sum the counts of each unit's turns, and keep the last, the longest and the shortest turn."""
    words = pl.col("words")
    counts = turns.select("unit", *(count.cast(pl.Int64).alias(name) for name, count in TURN_COUNTS.items()))
    return counts.group_by("unit").agg(
        pl.exclude("unit").sum(),
        *(pl.col(name).last().alias(f"last_{name}") for name in LAST_TURN_COUNTS),
        words.max().alias("longest_turn_words"),
        words.min().alias("shortest_turn_words"),
        (words - 1).clip(0).sum().alias("bigrams"),
        (words - 2).clip(0).sum().alias("trigrams"),
    )


def _sum_words(words: pl.DataFrame) -> pl.DataFrame:
    counts = {
        "word_characters": pl.col("characters").sum(),
        "long_words": (pl.col("characters") >= _LONG_WORD_CHARACTERS).sum(),
        **{name: _is_in_lexicon(name).sum() for name in LEXICA},
    }
    return words.group_by("unit").agg(count.cast(pl.Int64).alias(name) for name, count in counts.items())


def _sum_sentences(turns: pl.DataFrame) -> pl.DataFrame:
    """Count the sentences that a unit has said before, in this turn or an earlier one, by their letters and digits."""
    sentences = list_sentences(turns.select("unit", pl.col("lower").alias("sentence")), "sentence")
    said = pl.col("sentence").str.replace_all(NO_WORD_CHARACTER, " ").str.strip_chars()
    distinct = (
        sentences.select("unit", said.hash().alias("hash"), said.str.len_chars().alias("characters"))
        .group_by("unit", "hash")
        .agg(pl.len().alias("times"), pl.col("characters").first())
        .with_columns((pl.col("times") - 1).alias("repeated"))
    )
    return distinct.group_by("unit").agg(
        pl.col("repeated").cast(pl.Int64).sum().alias("repeated_sentences"),
        (pl.col("repeated") * pl.col("characters")).cast(pl.Int64).sum().alias("repeated_sentence_characters"),
        (pl.col("times") * pl.col("characters")).cast(pl.Int64).sum().alias("sentence_characters"),
    )


def _spread_units(counts: list[pl.DataFrame], n_battles: int) -> pl.DataFrame:
    """Give each battle one row with the counts of its three units; a unit without turns or words counts 0."""
    units = pl.DataFrame({"unit": pl.int_range(n_battles * len(UNITS), dtype=pl.UInt32, eager=True)})
    for of_unit in counts:
        units = units.join(of_unit, on="unit", how="left", maintain_order="left")
    units = units.drop("unit").fill_null(0)
    columns = [
        units.gather_every(len(UNITS), place).rename({name: f"{name}_{unit}" for name in units.columns})
        for place, unit in enumerate(UNITS)
    ]
    return pl.concat(columns, how="horizontal")


def _ask_prompts(turns: pl.DataFrame, n_battles: int) -> pl.DataFrame:
    prompts = turns.filter(pl.col("unit") % len(UNITS) == 0).with_columns(battle=pl.col("unit") // len(UNITS))
    counts = prompts.select(
        "battle", *(count.cast(pl.Int64).alias(f"{name}_prompt") for name, count in PROMPT_TURN_COUNTS.items())
    )
    battles = pl.DataFrame({"battle": pl.int_range(n_battles, dtype=pl.UInt32, eager=True)})
    sums = counts.group_by("battle").agg(pl.exclude("battle").sum())
    return battles.join(sums, on="battle", how="left", maintain_order="left").drop("battle").fill_null(0)


def _count_overlaps(items: pl.DataFrame, kind: str, n_battles: int) -> pl.DataFrame:
    """Count the distinct items of each unit, and those that the units of a battle share.

    Args:
        items: One row per occurrence of an item: its unit and its hash.
        kind: What the items are, in the plural.
        n_battles: The number of rows to give.

    Returns:
        Columns ``unique_<kind>_<unit>``, ``<kind>_with_prompt_<side>``, ``<kind>_shared`` (by a and b) and
        ``<kind>_in_all``.
    """
    battle, unit = np.divmod(items["unit"].to_numpy().astype(np.uint64), np.uint64(len(UNITS)))
    # One integer holds battle, hash and unit, so that one sort gives every union and intersection at once. The 46 bits
    # that remain of the hash only have to tell the items of one battle apart.
    keys = battle << np.uint64(64 - _BATTLE_BITS)
    keys |= items["hash"].to_numpy() >> np.uint64(_BATTLE_BITS + _UNIT_BITS) << np.uint64(_UNIT_BITS)
    keys |= unit
    # np.unique hashes before it sorts and takes several times as long.
    keys = np.sort(keys)
    keys = keys[_starts_of_runs(keys)]
    starts = _starts_of_runs(keys >> np.uint64(_UNIT_BITS))
    users = np.uint8(1) << (keys & np.uint64((1 << _UNIT_BITS) - 1)).astype(np.uint8)
    if len(users):
        users = np.bitwise_or.reduceat(users, starts)
    battle_of_item = (keys[starts] >> np.uint64(64 - _BATTLE_BITS)).astype(np.int64)

    def count_used_by(*units: str) -> IntArray:
        wanted = sum(1 << UNITS.index(unit) for unit in units)
        return np.bincount(battle_of_item[users & wanted == wanted], minlength=n_battles)

    return pl.DataFrame(
        {
            **{f"unique_{kind}_{unit}": count_used_by(unit) for unit in UNITS},
            f"{kind}_with_prompt_a": count_used_by("prompt", "a"),
            f"{kind}_with_prompt_b": count_used_by("prompt", "b"),
            f"{kind}_shared": count_used_by("a", "b"),
            f"{kind}_in_all": count_used_by("prompt", "a", "b"),
        }
    )


def _starts_of_runs(values: npt.NDArray[np.uint64]) -> IntArray:
    """Give the places in a sorted array where another value begins."""
    return np.flatnonzero(np.diff(values, prepend=~values[:1]))


def _compare_answers(texts: pl.DataFrame, compressed_characters: int) -> pl.DataFrame:
    """Compare the two answers as wholes: identical, same opening, same last number, and compressed together."""
    whole = join_turns(texts)
    as_many_turns = texts["a"].list.len() == texts["b"].list.len()
    opening_a, opening_b = (
        pl.col(side).str.to_lowercase().str.strip_chars().str.head(_OPENING_CHARACTERS) for side in ("a", "b")
    )
    last_number_a, last_number_b = (pl.col(side).str.extract_all(NUMBER).list.last() for side in ("a", "b"))
    compared = whole.select(
        ((pl.col("a") == pl.col("b")) & as_many_turns).alias("identical"),
        ((opening_a == opening_b) & (opening_a != "")).alias("same_opening"),
        (last_number_a == last_number_b).fill_null(value=False).alias("same_last_number"),
    )
    return pl.concat([compared, _compress(whole, compressed_characters)], how="horizontal")


def _compress(whole: pl.DataFrame, compressed_characters: int) -> pl.DataFrame:
    """Compress each answer and both in one: how redundant each is, and how much one tells about the other.

    The distance is the normalised compression distance of Li et al. (2004),
    (C(xy) - min(C(x), C(y))) / max(C(x), C(y)).
    """

    def compress_pair(pair: tuple[str, str]) -> tuple[int, int, int, int, float]:
        a, b = (text.encode() for text in pair)
        size_a, size_b = _compressed_size(a), _compressed_size(b)
        # C(xy) may differ from C(yx) by some bytes: the order has to be one that a swap of the sides does not change.
        first, second = sorted((a, b))
        together = _compressed_size(first + second)
        return size_a, size_b, len(a), len(b), (together - min(size_a, size_b)) / max(size_a, size_b)

    kept = whole.select(pl.col("a", "b").str.head(compressed_characters))
    with ThreadPoolExecutor() as pool:
        rows = list(pool.map(compress_pair, kept.iter_rows()))
    sizes = ("compressed_bytes_a", "compressed_bytes_b", "kept_bytes_a", "kept_bytes_b")
    schema = {**dict.fromkeys(sizes, pl.Int64), "compression_distance": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _compressed_size(text: bytes) -> int:
    return len(zlib.compress(text, _COMPRESSION_LEVEL))
