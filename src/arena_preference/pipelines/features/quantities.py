"""Tables of Polars expressions: quantity -> expression.

The tables build on one another. ``TURN_COUNTS`` and the lexica count within one turn; their sums over the turns of a
text are the columns that the expressions of ``SIDE_COUNTS``, ``SIDE_RATIOS``, ``PROMPT_QUANTITIES`` and
``PAIR_QUANTITIES`` read. So a count of three turns is the sum of the three counts, however the turns are joined.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from . import patterns
from .patterns import LANGUAGES, PROMPT_KINDS, SCRIPTS

_TEXT: Final = pl.col("text")
_LOWER: Final = pl.col("lower")


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _count(pattern: str) -> pl.Expr:
    return _TEXT.str.count_matches(pattern)


_characters: Final = _TEXT.str.len_chars()
_has_text: Final = _TEXT.str.contains(r"\S")
_code_blocks: Final = _TEXT.str.extract_all(patterns.CODE_BLOCK)

#: Additive counts of one turn; they read ``turn`` (may be null), ``text`` (null as "") and ``lower`` (in lower case).
TURN_COUNTS: Final[Mapping[str, pl.Expr]] = {
    "turns": pl.lit(1),
    "characters": _characters,
    "sentences": _count(patterns.SENTENCE_END)
    + (_has_text & ~_TEXT.str.contains(rf"(?:{patterns.SENTENCE_END})\s*$")).cast(pl.Int64),
    "paragraphs": _TEXT.str.strip_chars().str.count_matches(r"\n\s*\n") + _has_text.cast(pl.Int64),
    # Most characters are letters, so counting the others is faster.
    "letters": _characters - _count(r"\P{L}"),
    "code_characters": _code_blocks.list.eval(pl.element().str.len_chars()).list.sum(),
    **{name: _count(pattern) for name, pattern in patterns.TEXT_PATTERNS.items()},
    "null_turns": pl.col("turn").is_null(),
    "empty_turns": pl.col("turn").is_not_null() & ~_has_text,
    "unfinished_turns": _has_text & ~_TEXT.str.contains(patterns.FINISHED),
    "odd_fences": _count(patterns.CODE_FENCE) % 2,
    **{name: _LOWER.str.count_matches(pattern) for name, pattern in patterns.LOWER_PATTERNS.items()},
    **{f"script_{name}": _count(pattern) for name, pattern in SCRIPTS.items() if name != "latin"},
    "script_latin": _characters - _count(r"\P{Latin}"),
}

#: Additive counts of one turn of the prompt.
PROMPT_TURN_COUNTS: Final[Mapping[str, pl.Expr]] = {
    **{f"kind_{name}": _LOWER.str.contains(pattern) for name, pattern in PROMPT_KINDS.items()},
    "asked_words": _LOWER.str.extract(patterns.ASKED_WORDS, 1).cast(pl.Int64).fill_null(0),
}

#: Counts that are also kept for the last turn alone, which a person reads just before voting.
LAST_TURN_COUNTS: Final[Sequence[str]] = _names(
    "characters words sentences lines bullets numbered_items refusals apologies unfinished_turns"
)


def _ratio(numerator: str | pl.Expr, denominator: str | pl.Expr) -> pl.Expr:
    """Return the ratio of two columns or expressions; x / 0 is 0, so that no feature is missing."""
    x, y = (pl.col(value) if isinstance(value, str) else value for value in (numerator, denominator))
    return pl.when(y > 0).then(x / y).otherwise(0.0)


def _distance(names: Sequence[str]) -> pl.Expr:
    """Return the total variation distance of response and prompt over ``names``; 0 if either has none of them."""
    of_response, of_prompt = pl.sum_horizontal(names), pl.sum_horizontal(f"prompt_{name}" for name in names)
    gaps = (_ratio(name, of_response) - _ratio(f"prompt_{name}", of_prompt) for name in names)
    distance = pl.sum_horizontal(gap.abs() for gap in gaps) / 2
    return pl.when((of_response > 0) & (of_prompt > 0)).then(distance).otherwise(0.0)


def _log(count: pl.Expr) -> pl.Expr:
    return count.cast(pl.Float64).log1p()


def _repeated(items: str, prefix: str = "") -> pl.Expr:
    return pl.col(f"{prefix}{items}") - pl.col(f"{prefix}unique_{items}")


_words: Final = pl.col("words")
_list_items: Final = pl.col("bullets") + pl.col("numbered_items")
_asked_words: Final = pl.col("prompt_asked_words")

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
SIDE_COUNTS: Final[Mapping[str, pl.Expr]] = {
    **{name: pl.col(name) for name in (*_COUNTED, *(f"last_{name}" for name in LAST_TURN_COUNTS))},
    "list_items": _list_items,
    "formatting": _list_items + pl.col("headers") + pl.col("bold") + pl.col("table_rows"),
    "mean_turn_words": _ratio("words", "turns"),
    "repeated_trigrams": _repeated("trigrams"),
    "repeated_lines": _repeated("lines"),
    "repeated_sentences": pl.col("repeated_sentences"),
    "new_words": pl.col("unique_words") - pl.col("words_with_prompt"),
}

#: Counts of which the sum over both sides is a feature, too.
SUMMED: Final = _names(
    """characters words last_words list_items formatting code_characters numbers refusals apologies empty_turns
    null_turns unfinished_turns repeated_trigrams role_leaks"""
)

#: Quantities of a response relative to its length or to the prompt.
SIDE_RATIOS: Final[Mapping[str, pl.Expr]] = {
    "word_length": _ratio("word_characters", "words"),
    "sentence_words": _ratio("words", "sentences"),
    "paragraph_words": _ratio("words", "paragraphs"),
    "line_words": _ratio("words", "lines"),
    "long_word_share": _ratio("long_words", "words"),
    "syllables_per_word": _ratio("syllables", "words"),
    # Flesch (1948).
    "flesch_reading_ease": pl.when((_words > 0) & (pl.col("sentences") > 0))
    .then(206.835 - 1.015 * _ratio("words", "sentences") - 84.6 * _ratio("syllables", "words"))
    .otherwise(0.0),
    "type_token_ratio": _ratio("unique_words", "words"),
    "root_type_token_ratio": _ratio(pl.col("unique_words"), _words.sqrt()),
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
        "words_with_prompt", pl.col("unique_words") + pl.col("prompt_unique_words") - pl.col("words_with_prompt")
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
    "asked_words_missed": pl.when(_asked_words > 0).then((_log(_words) - _log(_asked_words)).abs()).otherwise(0.0),
}

#: Quantities of the prompt.
PROMPT_QUANTITIES: Final[Mapping[str, pl.Expr]] = {
    **{
        name: pl.col(f"prompt_{name}")
        for name in _names(
            """characters words unique_words sentences paragraphs lines turns digits question_marks quotes code_fences
            latex capitals symbols non_ascii first_person second_person politeness imperatives empty_turns asked_words
            last_characters last_words"""
        )
    },
    **{f"kind_{name}": pl.col(f"prompt_kind_{name}") > 0 for name in PROMPT_KINDS},
    "word_length": _ratio("prompt_word_characters", "prompt_words"),
    "sentence_words": _ratio("prompt_words", "prompt_sentences"),
    "capital_share": _ratio("prompt_capitals", "prompt_letters"),
    "non_ascii_share": _ratio("prompt_non_ascii", "prompt_characters"),
    "digit_share": _ratio("prompt_digits", "prompt_characters"),
    "english_share": _ratio("prompt_language_english", "prompt_words"),
    "repeated_bigram_share": _ratio(_repeated("bigrams", "prompt_"), "prompt_bigrams"),
}


def _jaccard(kind: str) -> pl.Expr:
    union = pl.col(f"unique_{kind}_a") + pl.col(f"unique_{kind}_b") - pl.col(f"{kind}_shared")
    return _ratio(f"{kind}_shared", union)


def _overlap(kind: str) -> pl.Expr:
    return _ratio(f"{kind}_shared", pl.min_horizontal(f"unique_{kind}_a", f"unique_{kind}_b"))


_shorter_words: Final = pl.min_horizontal("words_a", "words_b")
_longer_words: Final = pl.max_horizontal("words_a", "words_b")

#: Quantities of both responses; every expression is symmetric in the columns ``_a`` and ``_b``.
PAIR_QUANTITIES: Final[Mapping[str, pl.Expr]] = {
    **{f"{item}_jaccard": _jaccard(f"{item}s") for item in _names("word bigram trigram term number line")},
    "word_overlap": _overlap("words"),
    "trigram_overlap": _overlap("trigrams"),
    "words_shared_beyond_prompt": pl.col("words_shared") - pl.col("words_in_all"),
    **{name: pl.col(name) for name in _names("identical same_opening same_last_number compression_distance")},
    **{
        f"both_{name}": (pl.col(f"{name}_a") > 0) & (pl.col(f"{name}_b") > 0)
        for name in _names(
            "refusals apologies ai_self null_turns empty_turns unfinished_turns code_fences numbered_items"
        )
    },
    "shorter_words": _shorter_words,
    "longer_words": _longer_words,
    "word_balance": _ratio(_shorter_words, _longer_words),
}
