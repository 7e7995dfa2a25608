"""Text statistics: evaluates the tables of ``quantities`` on battles.

Each distinct text is measured once. The texts are expanded to one row per turn, per word and per sentence, so that
hardly any Python code runs per text: zlib, which Polars lacks, and the look-up of characters.

Most of the time that one battle takes is spent on compiling patterns, of which Polars keeps no more than 32 per thread.
Therefore ``count_characters`` does without two dozen.
"""

import zlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import chain, cycle
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from .characters import count_characters
from .config import TextFeatureConfig
from .contrasts import Columns, contrast_sides, name_feature, tabulate
from .overlaps import count_overlaps
from .patterns import LETTER, LEXICA, LINE, NO_WORD_CHARACTER, NUMBER, SENTENCE, WORD
from .quantities import (
    LAST_TURN_COUNTS,
    PAIR_QUANTITIES,
    PROMPT_QUANTITIES,
    SIDE_COUNTS,
    SIDE_RATIOS,
    SUMMED,
    TURN_COUNTS,
    Quantity,
)
from .texts import SIDES, IntArray, Texts, iter_chunks

_LONG_WORD_CHARACTERS: Final = 7
_TERM_CHARACTERS: Final = 3
_OPENING_CHARACTERS: Final = 20
_COMPRESSION_LEVEL: Final = 1
# Of contents that a thread compresses at a time; fewer are compressed sooner than a thread has started.
_BATCH_SIZE: Final = 100
# Distinguishes the hash of "a b" from that of "b a"; 2^64 / golden ratio, as any odd number with mixed bits would do.
_NGRAM_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)
# A key of a sentence is the row of its text, and the leading bits of its hash.
_HASH_BITS: Final = 46
# Made once, because making them takes as long as running some of them.
_TURN_EXPRESSIONS: Final = (
    *(count.cast(pl.Int64).fill_null(0).alias(name) for name, count in TURN_COUNTS.items()),
    pl.col("lower").str.extract_all(WORD).alias("listed_words"),
    pl.col("text").str.extract_all(LINE).alias("listed_lines"),
    pl.col("lower").str.extract_all(SENTENCE).alias("listed_sentences"),
)
# Forwards and backwards in turn, so that a call begins with the patterns that are still compiled from the last one.
_ORDERS: Final = cycle((_TURN_EXPRESSIONS, _TURN_EXPRESSIONS[::-1]))

Counts = dict[str, npt.NDArray[Any]]


class Quantities(NamedTuple):
    """Quantities of some battles, arrays of float64 and shape (n,)."""

    a: Columns  # SIDE_COUNTS and SIDE_RATIOS of response a
    b: Columns  # the same of response b
    pair: Columns  # PAIR_QUANTITIES
    prompt: Columns  # PROMPT_QUANTITIES


class _Items(NamedTuple):
    """Items of texts, such as words: the hash of each, text after text, and their number in each text."""

    hashes: npt.NDArray[np.uint64]
    sizes: IntArray


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
        _contrast_quantities(measure_quantities(texts, config.compressed_characters))
        for texts in iter_chunks(battles, config.chunk_rows)
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


def measure_quantities(texts: Texts, compressed_characters: int) -> Quantities:
    """Evaluate all quantities on the output of ``read_turns``, at most ``MAX_CHUNK_ROWS`` battles."""
    counts, items = _measure_texts(texts)
    of_battles = _compare_responses(texts, compressed_characters)
    for kind, (hashes, sizes) in items.items():
        of_battles |= count_overlaps(hashes, sizes, texts.rows, kind)
    of_fields = np.array(list(counts.values()), dtype=np.float64)[:, texts.rows.T]
    prompt = dict(zip(counts, of_fields[:, 0], strict=True)) | _select_suffix(of_battles, "_prompt")
    prompt = {f"prompt_{name}": values for name, values in prompt.items()}
    # Both sides at once, shape (2, n).
    of_a, of_b = (_select_suffix(of_battles, f"_{side}") for side in SIDES)
    sides = dict(zip(counts, of_fields[:, 1:], strict=True)) | {
        name: np.stack([of_a[name], of_b[name]]) for name in of_a
    }
    of_sides = _evaluate({**SIDE_COUNTS, **SIDE_RATIOS}, sides | prompt)
    a, b = ({name: values[side] for name, values in of_sides.items()} for side in range(len(SIDES)))
    pair = {
        f"{name}_{side}": values[row] for name, values in sides.items() for row, side in enumerate(SIDES)
    } | of_battles
    return Quantities(a, b, _evaluate(PAIR_QUANTITIES, pair), _evaluate(PROMPT_QUANTITIES, prompt))


def _select_suffix(columns: Columns, suffix: str) -> Columns:
    """Return the columns whose names end with the suffix, without it."""
    return {name.removesuffix(suffix): values for name, values in columns.items() if name.endswith(suffix)}


def _evaluate(quantities: Mapping[str, Quantity], columns: Columns) -> Columns:
    return {name: quantity(columns) for name, quantity in quantities.items()}


def _measure_texts(texts: Texts) -> tuple[Counts, dict[str, _Items]]:
    """Return the counts of each text, and its words, terms, numbers, bigrams, trigrams and lines."""
    sizes = np.array([len(turns) for turns in texts.turns], dtype=np.int64)
    turns = _list_turns(texts, sizes)
    measured = turns.select(next(_ORDERS))
    n_words, n_lines, n_sentences = (
        measured[f"listed_{items}"].list.len().to_numpy().astype(np.int64) for items in ("words", "lines", "sentences")
    )
    of_turns = {
        **{name: measured[name].to_numpy() for name in TURN_COUNTS},
        **count_characters(turns["text"].to_list()),
        "words": n_words,
        "bigrams": (n_words - 1).clip(0),
        "trigrams": (n_words - 2).clip(0),
        "lines": n_lines,
    }
    counts = _count_in_turns(of_turns, sizes)
    words, lines, sentences = (
        measured[f"listed_{items}"].explode(empty_as_null=False) for items in ("words", "lines", "sentences")
    )
    counts |= _count_in_sentences(sentences, _reduce_runs(np.add, n_sentences, sizes))
    turns_of_words = np.repeat(np.arange(len(turns)), n_words)
    of_words, items = _measure_words(words, turns_of_words, counts)
    items["lines"] = _Items(lines.hash().to_numpy(), counts["lines"])
    return counts | of_words, items


def _list_turns(texts: Texts, sizes: IntArray) -> pl.DataFrame:
    """Return one row per turn with the columns that ``TURN_COUNTS`` reads; ``sizes`` are the turns of each text."""
    is_prompt = np.zeros(len(sizes), dtype=bool)
    is_prompt[texts.select("prompt")] = True
    text = pl.col("turn").fill_null("")
    turns = pl.DataFrame(
        {
            "turn": pl.Series(list(chain.from_iterable(texts.turns)), dtype=pl.String),
            "is_prompt": np.repeat(is_prompt, sizes),
        }
    )
    return turns.with_columns(
        text.alias("text"), text.str.to_lowercase().alias("lower"), text.str.strip_chars().alias("stripped")
    ).with_columns(pl.when("is_prompt").then("lower").alias("prompt"))


def _reduce_runs(reduction: np.ufunc, values: npt.NDArray[Any], sizes: IntArray) -> npt.NDArray[Any]:
    """Reduce runs of consecutive values, so many each, along the last axis; an empty run yields 0."""
    reduced = np.zeros((*values.shape[:-1], len(sizes)), dtype=values.dtype)
    filled = sizes > 0
    if filled.any():
        reduced[..., filled] = reduction.reduceat(values, (sizes.cumsum() - sizes)[filled], axis=-1)
    return reduced


def _count_in_turns(of_turns: Counts, sizes: IntArray) -> Counts:
    """Return the sums over the turns of each text, and counts of its last, longest and shortest turn."""
    words = of_turns["words"]
    sums = _reduce_runs(np.add, np.array(list(of_turns.values())), sizes)
    is_last = np.zeros(len(words), dtype=np.int64)
    is_last[sizes.cumsum()[sizes > 0] - 1] = 1
    return {
        **dict(zip(of_turns, sums, strict=True)),
        **{f"last_{name}": _reduce_runs(np.add, of_turns[name] * is_last, sizes) for name in LAST_TURN_COUNTS},
        "longest_turn_words": _reduce_runs(np.maximum, words, sizes),
        "shortest_turn_words": _reduce_runs(np.minimum, words, sizes),
    }


def _measure_words(words: pl.Series, turns: IntArray, counts: Counts) -> tuple[Counts, dict[str, _Items]]:
    """Return further counts of each text, and its items, from all words and their turns."""
    known, rows, lexica = _list_lexica()
    word = pl.col("word")
    described = (
        words.alias("word")
        .to_frame()
        .select(
            word.hash().alias("hash"),
            word.str.len_chars().cast(pl.Int64).alias("characters"),
            word.replace_strict(known, rows, default=0, return_dtype=pl.Int64).alias("lexica"),
            # A number starts with a digit; the colon follows the 9.
            ((word >= "0") & (word < ":")).alias("is_number"),
        )
    )
    hashes, characters, row, is_number = (described[name].to_numpy() for name in described.columns)
    # A term is a word with content.
    is_term = (lexica[:, list(LEXICA).index("function_words")] == 0)[row] & (characters >= _TERM_CHARACTERS)
    bigrams = hashes[1:] ^ hashes[:-1] * _NGRAM_FACTOR
    trigrams = hashes[2:] ^ bigrams[:-1] * _NGRAM_FACTOR
    sizes = counts["words"]

    def add_up(values: npt.NDArray[Any]) -> IntArray:
        return _reduce_runs(np.add, values.astype(np.int64), sizes)

    n_rows = len(lexica)
    of_rows = np.bincount(np.repeat(np.arange(len(sizes)) * n_rows, sizes) + row, minlength=len(sizes) * n_rows)
    of_words = {
        "word_characters": add_up(characters),
        "long_words": add_up(characters >= _LONG_WORD_CHARACTERS),
        **dict(zip(LEXICA, (of_rows.reshape(-1, n_rows) @ lexica).T, strict=True)),
    }
    return of_words, {
        "words": _Items(hashes, sizes),
        "terms": _Items(hashes[is_term], add_up(is_term)),
        "numbers": _Items(hashes[is_number], add_up(is_number)),
        # Within a turn.
        "bigrams": _Items(bigrams[turns[1:] == turns[:-1]], counts["bigrams"]),
        "trigrams": _Items(trigrams[turns[2:] == turns[:-2]], counts["trigrams"]),
    }


@cache
def _list_lexica() -> tuple[pl.Series, pl.Series, IntArray]:
    """Return all known words, a row of each, and whether a row is in each lexicon, shape (rows, lexica).

    One look-up serves all lexica. Row 0, of unknown words, is in none.
    """
    words = sorted(frozenset().union(*LEXICA.values()))
    is_in = [[False] * len(LEXICA), *([word in lexicon for lexicon in LEXICA.values()] for word in words)]
    lexica, rows = np.unique(np.array(is_in, dtype=np.int64), axis=0, return_inverse=True)
    return pl.Series(words), pl.Series(rows[1:]), lexica


def _count_in_sentences(sentences: pl.Series, sizes: IntArray) -> Counts:
    """Count the sentences that repeat an earlier one of the same text; only their letters and digits are compared."""
    sentence = pl.col("sentence")
    described = (
        sentences.alias("sentence")
        .to_frame()
        .select(
            sentence.str.contains(LETTER).alias("has_letter"),
            sentence.str.replace_all(NO_WORD_CHARACTER, " ").str.strip_chars().alias("normalised"),
        )
    )
    text = np.repeat(np.arange(len(sizes)), sizes)[described["has_letter"].to_numpy()]
    normalised = described.filter("has_letter")["normalised"]
    characters = normalised.str.len_chars().to_numpy()
    keys = text.astype(np.uint64) << _HASH_BITS | normalised.hash().to_numpy() >> (64 - _HASH_BITS)
    is_repeated = np.ones(len(text), dtype=bool)
    is_repeated[np.unique(keys, return_index=True)[1]] = False
    return {
        "repeated_sentences": np.bincount(text, is_repeated, len(sizes)),
        "repeated_sentence_characters": np.bincount(text, is_repeated * characters, len(sizes)),
        "sentence_characters": np.bincount(text, characters, len(sizes)),
    }


def _compare_responses(texts: Texts, compressed_characters: int) -> Columns:
    """Return identical, same_opening, same_last_number and the columns of ``_compress``."""
    joined = texts.join()
    described = pl.DataFrame({"text": joined}, schema={"text": pl.String}).select(
        pl.col("text").str.to_lowercase().str.strip_chars().str.head(_OPENING_CHARACTERS).alias("opening"),
        pl.col("text").str.extract_all(NUMBER).list.last().alias("last_number"),
    )
    opening, last_number = (described[name].to_list() for name in described.columns)
    n_turns = [len(turns) for turns in texts.turns]
    contents = [text[:compressed_characters].encode() for text in joined]
    pairs = texts.select(*SIDES).tolist()
    compared = {
        "identical": [joined[a] == joined[b] and n_turns[a] == n_turns[b] for a, b in pairs],
        "same_opening": [opening[a] == opening[b] != "" for a, b in pairs],
        "same_last_number": [last_number[a] == last_number[b] is not None for a, b in pairs],
    }
    columns = {name: np.array(values, dtype=np.float64) for name, values in compared.items()}
    return columns | _compress([(contents[a], contents[b]) for a, b in pairs])


def _compress(pairs: list[tuple[bytes, bytes]]) -> Columns:
    """Return compressed_bytes and kept_bytes (uncompressed) of both sides, and compression_distance.

    The distance is the normalised compression distance of Li et al. (2004),
    (C(xy) - min(C(x), C(y))) / max(C(x), C(y)).
    """
    # C(xy) and C(yx) can differ by some bytes, so the order must not depend on the sides.
    ordered = [(min(pair), max(pair)) for pair in pairs]
    sizes = _compress_each([*ordered, *((content,) for pair in pairs for content in pair)])
    of_a, of_b, of_both = (
        np.array([sizes[parts] for parts in contents], dtype=np.float64)
        for contents in ([(a,) for a, _ in pairs], [(b,) for _, b in pairs], ordered)
    )
    kept = np.array([[len(a), len(b)] for a, b in pairs], dtype=np.float64).reshape(-1, 2)
    return {
        "compressed_bytes_a": of_a,
        "compressed_bytes_b": of_b,
        "kept_bytes_a": kept[:, 0],
        "kept_bytes_b": kept[:, 1],
        "compression_distance": (of_both - np.minimum(of_a, of_b)) / np.maximum(of_a, of_b),
    }


def _compress_each(contents: Iterable[tuple[bytes, ...]]) -> dict[tuple[bytes, ...], int]:
    """Return the compressed size of each distinct content, which is given in parts."""
    distinct = list(dict.fromkeys(contents))
    batches = [distinct[start : start + _BATCH_SIZE] for start in range(0, len(distinct), _BATCH_SIZE)]

    def compress(batch: list[tuple[bytes, ...]]) -> list[int]:
        return [len(zlib.compress(b"".join(parts), _COMPRESSION_LEVEL)) for parts in batch]

    if len(batches) > 1:
        with ThreadPoolExecutor() as pool:
            sizes = list(pool.map(compress, batches))
    else:
        sizes = list(map(compress, batches))
    return dict(zip(distinct, chain.from_iterable(sizes), strict=True))
