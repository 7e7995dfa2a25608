"""Tables of quantities: name -> Polars expression of one turn, or function of the columns of many texts.

The tables build on one another. ``TURN_COUNTS``, the characters and the lexica count within one turn; their sums over
the turns of a text are the columns that the functions of ``SIDE_COUNTS``, ``SIDE_RATIOS``, ``PROMPT_QUANTITIES`` and
``PAIR_QUANTITIES`` read. So a count of three turns is the sum of the three counts, however the turns are joined.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Final

import numpy as np
import polars as pl

from arena_preference.battles import FloatArray

from . import patterns
from .contrasts import Columns
from .patterns import LANGUAGES, PROMPT_KINDS, SCRIPTS

# NumPy, because Polars takes longer to prepare an expression than to evaluate it on one battle.
Quantity = Callable[[Columns], FloatArray]

_TEXT: Final = pl.col("text")
_LOWER: Final = pl.col("lower")
_PROMPT: Final = pl.col("prompt")


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _count(pattern: str) -> pl.Expr:
    return _TEXT.str.count_matches(pattern)


_has_text: Final = pl.col("stripped") != ""
_code_blocks: Final = _TEXT.str.extract_all(patterns.CODE_BLOCK)

#: Additive counts of one turn, null for none. They read ``turn`` (may be null), ``text`` (null as ""), ``stripped``
#: (without white space at its ends), ``lower`` (in lower case) and ``prompt`` (the same, null in a response).
TURN_COUNTS: Final[Mapping[str, pl.Expr]] = {
    "turns": pl.lit(1),
    "characters": _TEXT.str.len_chars(),
    "sentences": _count(patterns.SENTENCE_END)
    + (_has_text & ~_TEXT.str.contains(rf"(?:{patterns.SENTENCE_END})\s*$")).cast(pl.Int64),
    "paragraphs": pl.col("stripped").str.count_matches(r"\n\s*\n") + _has_text.cast(pl.Int64),
    "code_characters": _code_blocks.list.eval(pl.element().str.len_chars()).list.sum(),
    **{name: _count(pattern) for name, pattern in patterns.TEXT_PATTERNS.items()},
    "null_turns": pl.col("turn").is_null(),
    "empty_turns": pl.col("turn").is_not_null() & ~_has_text,
    "unfinished_turns": _has_text & ~_TEXT.str.contains(patterns.FINISHED),
    "odd_fences": _count(patterns.CODE_FENCE) % 2,
    **{name: _LOWER.str.count_matches(pattern) for name, pattern in patterns.LOWER_PATTERNS.items()},
    **{f"kind_{name}": _PROMPT.str.contains(pattern) for name, pattern in PROMPT_KINDS.items()},
    "asked_words": _PROMPT.str.extract(patterns.ASKED_WORDS, 1),
}


#: Counts that are also kept for the last turn alone, which a person reads just before voting.
LAST_TURN_COUNTS: Final[Sequence[str]] = _names(
    "characters words sentences lines bullets numbered_items refusals apologies unfinished_turns"
)


def _read(value: str | Quantity) -> Quantity:
    return itemgetter(value) if isinstance(value, str) else value


def _divide(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return x / y; x / 0 is 0, so that no feature is missing."""
    return np.divide(x, y, out=np.zeros_like(x), where=y > 0)


def _ratio(numerator: str | Quantity, denominator: str | Quantity) -> Quantity:
    x, y = _read(numerator), _read(denominator)
    return lambda columns: _divide(x(columns), y(columns))


def _sum(*names: str) -> Quantity:
    # One after another: the order in which NumPy adds depends on the shape.
    return lambda columns: sum(map(columns.__getitem__, names[1:]), columns[names[0]])


def _distance(names: Sequence[str]) -> Quantity:
    """Return the total variation distance of response and prompt over ``names``; 0 if either has none of them."""
    of_names, of_prompt_names = _sum(*names), _sum(*(f"prompt_{name}" for name in names))

    def measure(columns: Columns) -> FloatArray:
        of_response, of_prompt = of_names(columns), of_prompt_names(columns)
        gaps = (
            np.abs(_divide(columns[name], of_response) - _divide(columns[f"prompt_{name}"], of_prompt))
            for name in names
        )
        return np.where((of_response > 0) & (of_prompt > 0), sum(gaps) / 2, 0.0)

    return measure


def _repeated(items: str, prefix: str = "") -> Quantity:
    return lambda columns: columns[f"{prefix}{items}"] - columns[f"{prefix}unique_{items}"]


def _occurs(*names: str) -> Quantity:
    """Return 1 where all counts of ``names`` are positive, else 0."""
    return lambda columns: np.minimum.reduce([columns[name] > 0 for name in names]).astype(float)


def _measure_reading_ease(columns: Columns) -> FloatArray:
    """Return the index of Flesch (1948)."""
    words, sentences = columns["words"], columns["sentences"]
    ease = 206.835 - 1.015 * _divide(words, sentences) - 84.6 * _divide(columns["syllables"], words)
    return np.where((words > 0) & (sentences > 0), ease, 0.0)


def _measure_missed_words(columns: Columns) -> FloatArray:
    """Return by how much the length differs from the one that the prompt asks for."""
    asked = columns["prompt_asked_words"]
    return np.where(asked > 0, np.abs(np.log1p(columns["words"]) - np.log1p(asked)), 0.0)


_list_items: Final = _sum("bullets", "numbered_items")

_COUNTED: Final = _names(
    """characters words unique_words sentences paragraphs lines turns
    headers bold italics bullets numbered_items nested_items code_fences code_characters inline_code table_rows links
    latex block_quotes rules quotes digits numbers capitals capitalised_words acronyms non_ascii emoji question_marks
    exclamation_marks parentheses commas colons semicolons dashes ellipses symbols control_characters
    null_turns empty_turns unfinished_turns odd_fences
    refusals apologies ai_self politeness eager_openings closing_offers conclusions examples cautions concessions steps
    opinions role_leaks hedges enthusiasm connectives first_person first_person_plural second_person negations
    imperatives long_words
    longest_turn_words shortest_turn_words compressed_bytes"""
)

#: Quantities of a response that are never negative and grow with it. Columns of the prompt start with ``prompt_``.
SIDE_COUNTS: Final[Mapping[str, Quantity]] = {
    **{name: itemgetter(name) for name in (*_COUNTED, *(f"last_{name}" for name in LAST_TURN_COUNTS))},
    "list_items": _list_items,
    "formatting": _sum("bullets", "numbered_items", "headers", "bold", "table_rows"),
    "mean_turn_words": _ratio("words", "turns"),
    "repeated_trigrams": _repeated("trigrams"),
    "repeated_lines": _repeated("lines"),
    "repeated_sentences": itemgetter("repeated_sentences"),
    "new_words": lambda columns: columns["unique_words"] - columns["words_with_prompt"],
}

#: Counts of which the sum over both sides is a feature, too.
SUMMED: Final = _names(
    """characters words last_words list_items formatting code_characters numbers refusals apologies empty_turns
    null_turns unfinished_turns repeated_trigrams role_leaks"""
)

#: Quantities of a response relative to its length or to the prompt.
SIDE_RATIOS: Final[Mapping[str, Quantity]] = {
    "word_length": _ratio("word_characters", "words"),
    "sentence_words": _ratio("words", "sentences"),
    "paragraph_words": _ratio("words", "paragraphs"),
    "line_words": _ratio("words", "lines"),
    "long_word_share": _ratio("long_words", "words"),
    "syllables_per_word": _ratio("syllables", "words"),
    "flesch_reading_ease": _measure_reading_ease,
    "type_token_ratio": _ratio("unique_words", "words"),
    "root_type_token_ratio": _ratio("unique_words", lambda columns: np.sqrt(columns["words"])),
    "function_word_share": _ratio("function_words", "words"),
    "capital_share": _ratio("capitals", "letters"),
    "capitalised_share": _ratio("capitalised_words", "words"),
    "digit_share": _ratio("digits", "characters"),
    "non_ascii_share": _ratio("non_ascii", "characters"),
    "letter_share": _ratio("letters", "characters"),
    "code_share": _ratio("code_characters", "characters"),
    "comma_rate": _ratio("commas", "words"),
    "list_item_share": _ratio(_list_items, "lines"),
    "last_turn_share": _ratio("last_characters", "characters"),
    **{
        f"{name}_rate": _ratio(name, "words")
        for name in _names("hedges connectives first_person second_person negations enthusiasm imperatives numbers")
    },
    **{f"repeated_{item}_share": _ratio(_repeated(f"{item}s"), f"{item}s") for item in ("bigram", "trigram", "line")},
    "repeated_sentence_share": _ratio("repeated_sentence_characters", "sentence_characters"),
    "compression_ratio": _ratio("compressed_bytes", "kept_bytes"),
    "prompt_word_jaccard": _ratio(
        "words_with_prompt",
        lambda columns: columns["unique_words"] + columns["prompt_unique_words"] - columns["words_with_prompt"],
    ),
    **{
        f"prompt_{kind}_covered": _ratio(f"{kind}_with_prompt", f"prompt_unique_{kind}")
        for kind in ("words", "terms", "numbers", "bigrams", "trigrams")
    },
    **{
        f"{kind}_from_prompt": _ratio(f"{kind}_with_prompt", f"unique_{kind}")
        for kind in ("words", "bigrams", "trigrams")
    },
    "script_mismatch": _distance([f"script_{name}" for name in SCRIPTS]),
    "language_mismatch": _distance([f"language_{name}" for name in LANGUAGES]),
    "asked_words_missed": _measure_missed_words,
}

#: Quantities of the prompt.
PROMPT_QUANTITIES: Final[Mapping[str, Quantity]] = {
    **{
        name: itemgetter(f"prompt_{name}")
        for name in _names(
            """characters words unique_words sentences paragraphs lines turns digits question_marks quotes code_fences
            latex capitals symbols non_ascii first_person second_person politeness imperatives empty_turns asked_words
            last_characters last_words"""
        )
    },
    **{f"kind_{name}": _occurs(f"prompt_kind_{name}") for name in PROMPT_KINDS},
    "word_length": _ratio("prompt_word_characters", "prompt_words"),
    "sentence_words": _ratio("prompt_words", "prompt_sentences"),
    "capital_share": _ratio("prompt_capitals", "prompt_letters"),
    "non_ascii_share": _ratio("prompt_non_ascii", "prompt_characters"),
    "digit_share": _ratio("prompt_digits", "prompt_characters"),
    "english_share": _ratio("prompt_language_english", "prompt_words"),
    "repeated_bigram_share": _ratio(_repeated("bigrams", "prompt_"), "prompt_bigrams"),
}


def _jaccard(kind: str) -> Quantity:
    return _ratio(
        f"{kind}_shared",
        lambda columns: columns[f"unique_{kind}_a"] + columns[f"unique_{kind}_b"] - columns[f"{kind}_shared"],
    )


def _overlap(kind: str) -> Quantity:
    return _ratio(
        f"{kind}_shared", lambda columns: np.minimum(columns[f"unique_{kind}_a"], columns[f"unique_{kind}_b"])
    )


def _shorter_words(columns: Columns) -> FloatArray:
    return np.minimum(columns["words_a"], columns["words_b"])


def _longer_words(columns: Columns) -> FloatArray:
    return np.maximum(columns["words_a"], columns["words_b"])


#: Quantities of both responses; every function is symmetric in the columns ``_a`` and ``_b``.
PAIR_QUANTITIES: Final[Mapping[str, Quantity]] = {
    **{f"{item}_jaccard": _jaccard(f"{item}s") for item in _names("word bigram trigram term number line")},
    "word_overlap": _overlap("words"),
    "trigram_overlap": _overlap("trigrams"),
    "words_shared_beyond_prompt": lambda columns: columns["words_shared"] - columns["words_in_all"],
    **{name: itemgetter(name) for name in _names("identical same_opening same_last_number compression_distance")},
    **{
        f"both_{name}": _occurs(f"{name}_a", f"{name}_b")
        for name in _names(
            "refusals apologies ai_self null_turns empty_turns unfinished_turns code_fences numbered_items"
        )
    },
    "shorter_words": _shorter_words,
    "longer_words": _longer_words,
    "word_balance": _ratio(_shorter_words, _longer_words),
}
