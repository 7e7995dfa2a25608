"""Text statistics: evaluates the tables of ``quantities`` on battles.

The texts are expanded to two long tables, one row per turn and one row per word, so that no Python code runs per row,
except for zlib, which Polars lacks. A text is identified by the integer column ``field``: 3 * row of the battle + index
in ``FIELDS``.
"""

import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import polars as pl

from .config import TextFeatureConfig
from .contrasts import Columns, contrast_sides, name_feature, tabulate
from .overlaps import count_overlaps
from .patterns import LEXICA, LINE, NO_WORD_CHARACTER, NUMBER, WORD
from .quantities import (
    LAST_TURN_COUNTS,
    PAIR_QUANTITIES,
    PROMPT_QUANTITIES,
    PROMPT_TURN_COUNTS,
    SIDE_COUNTS,
    SIDE_RATIOS,
    SUMMED,
    TURN_COUNTS,
)
from .texts import FIELDS, SIDES, iter_chunks, join_turns, read_turns, split_sentences

_LONG_WORD_CHARACTERS: Final = 7
_TERM_CHARACTERS: Final = 3
_OPENING_CHARACTERS: Final = 20
_COMPRESSION_LEVEL: Final = 1
# Distinguishes the hash of "a b" from that of "b a"; 2^64 / golden ratio, as any odd number with mixed bits would do.
_NGRAM_FACTOR: Final = 0x9E3779B97F4A7C15


class Quantities(NamedTuple):
    """Quantities of some battles, arrays of float64 and shape (n,)."""

    a: Columns  # SIDE_COUNTS and SIDE_RATIOS of response a
    b: Columns  # the same of response b
    pair: Columns  # PAIR_QUANTITIES
    prompt: Columns  # PROMPT_QUANTITIES


def compute_text_features(battles: pd.DataFrame, config: TextFeatureConfig) -> pd.DataFrame:
    """Describe each battle by how its texts are written and what they have in common.

    Null turns, no turns and sides with different numbers of turns are valid.

    Returns:
        Schema ``Features``, in the order of ``battles``, without missing values. A count x of a side enters as
        (x_a - x_b) / (x_a + x_b), as in LMArena's style control (Chiang et al., 2024), some also as x_a + x_b; a ratio
        enters as x_a - x_b; quantities of the pair and of the prompt enter unchanged.

    Raises:
        ValueError: If a text column is missing.
    """
    chunks = [
        _contrast_quantities(measure_quantities(turns, config.compressed_characters))
        for turns in iter_chunks(read_turns(battles), config.chunk_rows)
    ]
    return tabulate(battles, {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]})


def _contrast_quantities(quantities: Quantities) -> Columns:
    a, b, pair, prompt = quantities
    features: Columns = {}
    # One antisymmetric form each: with differences, absolute values and log ratios of counts, models were worse.
    for name in SIDE_COUNTS:
        features |= contrast_sides(name, a[name], b[name], *(("reldiff", "sum") if name in SUMMED else ("reldiff",)))
    for name in SIDE_RATIOS:
        features |= contrast_sides(name, a[name], b[name], "diff")
    features |= {name_feature(name, "pair"): values for name, values in pair.items()}
    features |= {name_feature(name, "prompt"): values for name, values in prompt.items()}
    return {name: values.astype(np.float32) for name, values in features.items()}


def measure_quantities(turns: pl.DataFrame, compressed_characters: int) -> Quantities:
    """Evaluate all quantities on the output of ``read_turns``, at most ``MAX_CHUNK_ROWS`` rows."""
    statistics = _compute_statistics(turns, compressed_characters)
    prompt, *sides = (_select_field(statistics, field) for field in FIELDS)
    prompt = prompt.select(pl.all().name.prefix("prompt_"))
    a, b = (_evaluate({**SIDE_COUNTS, **SIDE_RATIOS}, side.hstack(prompt)) for side in sides)
    return Quantities(a, b, _evaluate(PAIR_QUANTITIES, statistics), _evaluate(PROMPT_QUANTITIES, prompt))


def _select_field(statistics: pl.DataFrame, field: str) -> pl.DataFrame:
    """Return the columns of one field, without the suffix that names it."""
    suffix = f"_{field}"
    return statistics.select(
        pl.col(name).alias(name.removesuffix(suffix)) for name in statistics.columns if name.endswith(suffix)
    )


def _evaluate(quantities: Mapping[str, pl.Expr], table: pl.DataFrame) -> Columns:
    evaluated = table.select(quantity.cast(pl.Float64).alias(name) for name, quantity in quantities.items())
    return {name: evaluated[name].to_numpy() for name in evaluated.columns}


def _compute_statistics(turns: pl.DataFrame, compressed_characters: int) -> pl.DataFrame:
    """Return one row per battle: ``<count>_<field>``, and columns of ``count_overlaps`` and ``_compare_responses``."""
    turn_table = _list_turns(turns)
    words = _list_words(turn_table)
    items = {
        "words": words,
        "terms": words.filter("is_term"),
        "numbers": words.filter("is_number"),
        "bigrams": _list_ngrams(words, 2),
        "trigrams": _list_ngrams(words, 3),
        "lines": _list_lines(turn_table),
    }
    counts = [counter(turn_table) for counter in (_count_in_turns, _count_in_sentences, _count_in_prompts)]
    overlaps = [count_overlaps(of_kind, kind, len(turns)) for kind, of_kind in items.items()]
    tables = [_spread_fields([*counts, _count_in_words(words)], len(turns)), *overlaps]
    return pl.concat([*tables, _compare_responses(turns, compressed_characters)], how="horizontal")


def _list_turns(turns: pl.DataFrame) -> pl.DataFrame:
    """Return one row per turn: index, field, turn (null allowed), text (null as empty) and lower (in lower case)."""
    fields = [
        turns.select(
            (pl.int_range(pl.len(), dtype=pl.UInt32) * len(FIELDS) + index).alias("field"),
            pl.col(field).alias("turn"),
        )
        for index, field in enumerate(FIELDS)
    ]
    # explode would turn an empty list into a null turn.
    return (
        pl.concat(fields)
        .filter(pl.col("turn").list.len() > 0)
        .explode("turn")
        .with_columns(pl.col("turn").fill_null("").alias("text"))
        .with_columns(pl.col("text").str.to_lowercase().alias("lower"))
        .with_row_index("index")
    )


def _list_words(turns: pl.DataFrame) -> pl.DataFrame:
    """Return one row per word: field, index of its turn, hash, characters, lexica (as bits), is_number, is_term.

    A number starts with a digit; a term is a word with content.
    """
    word = pl.col("word")
    words = turns.select("field", "index", pl.col("lower").str.extract_all(WORD).alias("word")).explode("word")
    return (
        words.drop_nulls("word")
        .with_columns(
            word.hash().alias("hash"),
            word.str.len_chars().alias("characters"),
            word.replace_strict(_lexicon_bits(), default=0, return_dtype=pl.UInt32).alias("lexica"),
            word.str.contains("^[0-9]").alias("is_number"),
        )
        .with_columns(
            (~_is_in_lexicon("function_words") & (pl.col("characters") >= _TERM_CHARACTERS)).alias("is_term"),
        )
        .drop("word")
    )


@cache
def _lexicon_bits() -> dict[str, int]:
    """Map each known word to its lexica, one bit each, so that one look-up serves all of them."""
    bits: dict[str, int] = {}
    for index, words in enumerate(LEXICA.values()):
        for word in words:
            bits[word] = bits.get(word, 0) | 1 << index
    return bits


def _is_in_lexicon(name: str) -> pl.Expr:
    return pl.col("lexica") & (1 << list(LEXICA).index(name)) > 0


def _list_ngrams(words: pl.DataFrame, size: int) -> pl.DataFrame:
    """Return one row per n-gram of ``size`` words within a turn: field and hash."""
    ngram = pl.col("hash")
    for step in range(1, size):
        ngram = pl.col("hash").shift(-step) ^ (ngram * pl.lit(_NGRAM_FACTOR, pl.UInt64))
    ends_in_its_turn = pl.col("index") == pl.col("index").shift(1 - size)
    return words.select("field", ngram.alias("hash"), ends_in_its_turn.alias("whole")).filter("whole").drop("whole")


def _list_lines(turns: pl.DataFrame) -> pl.DataFrame:
    """Return one row per line that is not blank: field and hash."""
    lines = turns.select("field", pl.col("text").str.extract_all(LINE).alias("line")).explode("line").drop_nulls("line")
    return lines.select("field", pl.col("line").hash().alias("hash"))


def _count_in_turns(turns: pl.DataFrame) -> pl.DataFrame:
    words = pl.col("words")
    return _count_per_turn(turns, TURN_COUNTS).agg(
        pl.exclude("field").sum(),
        *(pl.col(name).last().alias(f"last_{name}") for name in LAST_TURN_COUNTS),
        words.max().alias("longest_turn_words"),
        words.min().alias("shortest_turn_words"),
        (words - 1).clip(0).sum().alias("bigrams"),
        (words - 2).clip(0).sum().alias("trigrams"),
    )


def _count_in_prompts(turns: pl.DataFrame) -> pl.DataFrame:
    prompts = turns.filter(pl.col("field") % len(FIELDS) == FIELDS.index("prompt"))
    return _count_per_turn(prompts, PROMPT_TURN_COUNTS).agg(pl.exclude("field").sum())


def _count_per_turn(turns: pl.DataFrame, counts: Mapping[str, pl.Expr]) -> pl.dataframe.group_by.GroupBy:
    columns = (count.cast(pl.Int64).alias(name) for name, count in counts.items())
    return turns.select("field", *columns).group_by("field")


def _count_in_words(words: pl.DataFrame) -> pl.DataFrame:
    counts = {
        "word_characters": pl.col("characters").sum(),
        "long_words": (pl.col("characters") >= _LONG_WORD_CHARACTERS).sum(),
        **{name: _is_in_lexicon(name).sum() for name in LEXICA},
    }
    return words.group_by("field").agg(count.cast(pl.Int64).alias(name) for name, count in counts.items())


def _count_in_sentences(turns: pl.DataFrame) -> pl.DataFrame:
    """Count the sentences that repeat an earlier one of the same text; only their letters and digits are compared."""
    sentences = split_sentences(turns.select("field", pl.col("lower").alias("sentence")), "sentence")
    normalised = pl.col("sentence").str.replace_all(NO_WORD_CHARACTER, " ").str.strip_chars()
    distinct = (
        sentences.select("field", normalised.hash().alias("hash"), normalised.str.len_chars().alias("characters"))
        .group_by("field", "hash")
        .agg(pl.len().alias("times"), pl.col("characters").first())
        .with_columns((pl.col("times") - 1).alias("repeated"))
    )
    return distinct.group_by("field").agg(
        pl.col("repeated").cast(pl.Int64).sum().alias("repeated_sentences"),
        (pl.col("repeated") * pl.col("characters")).cast(pl.Int64).sum().alias("repeated_sentence_characters"),
        (pl.col("times") * pl.col("characters")).cast(pl.Int64).sum().alias("sentence_characters"),
    )


def _spread_fields(counts: list[pl.DataFrame], n_battles: int) -> pl.DataFrame:
    """Join counts per field to one row per battle with columns ``<count>_<field>``; what was not counted is 0."""
    table = pl.DataFrame({"field": pl.int_range(n_battles * len(FIELDS), dtype=pl.UInt32, eager=True)})
    for of_field in counts:
        table = table.join(of_field, on="field", how="left", maintain_order="left")
    table = table.drop("field").fill_null(0)
    of_fields = (table.gather_every(len(FIELDS), index) for index in range(len(FIELDS)))
    suffixed = (rows.select(pl.all().name.suffix(f"_{field}")) for field, rows in zip(FIELDS, of_fields, strict=True))
    return pl.concat(suffixed, how="horizontal")


def _compare_responses(turns: pl.DataFrame, compressed_characters: int) -> pl.DataFrame:
    """Return identical, same_opening, same_last_number and the columns of ``_compress``."""
    texts = join_turns(turns)
    as_many_turns = turns["a"].list.len() == turns["b"].list.len()
    opening_a, opening_b = (
        pl.col(side).str.to_lowercase().str.strip_chars().str.head(_OPENING_CHARACTERS) for side in SIDES
    )
    last_number_a, last_number_b = (pl.col(side).str.extract_all(NUMBER).list.last() for side in SIDES)
    compared = texts.select(
        ((pl.col("a") == pl.col("b")) & as_many_turns).alias("identical"),
        ((opening_a == opening_b) & (opening_a != "")).alias("same_opening"),
        (last_number_a == last_number_b).fill_null(value=False).alias("same_last_number"),
    )
    return compared.hstack(_compress(texts.select(pl.col(SIDES).str.head(compressed_characters))))


def _compress(texts: pl.DataFrame) -> pl.DataFrame:
    """Return compressed_bytes and kept_bytes (uncompressed) of both sides, and compression_distance.

    The distance is the normalised compression distance of Li et al. (2004),
    (C(xy) - min(C(x), C(y))) / max(C(x), C(y)).
    """

    def compress_pair(pair: tuple[str, str]) -> tuple[int, int, int, int, float]:
        a, b = (text.encode() for text in pair)
        size_a, size_b = _compressed_size(a), _compressed_size(b)
        # C(xy) and C(yx) can differ by some bytes, so the order must not depend on the sides.
        first, second = sorted((a, b))
        together = _compressed_size(first + second)
        return size_a, size_b, len(a), len(b), (together - min(size_a, size_b)) / max(size_a, size_b)

    with ThreadPoolExecutor() as pool:
        rows = list(pool.map(compress_pair, texts.iter_rows()))
    sizes = ("compressed_bytes_a", "compressed_bytes_b", "kept_bytes_a", "kept_bytes_b")
    schema = {**dict.fromkeys(sizes, pl.Int64), "compression_distance": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _compressed_size(text: bytes) -> int:
    return len(zlib.compress(text, _COMPRESSION_LEVEL))
