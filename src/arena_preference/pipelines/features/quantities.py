"""What is measured on a battle, as tables of Polars expressions: ``quantity name -> expression``.

The tables build on one another. ``TURN_COUNTS`` and the lexica count within one turn; their sums over a side's turns
are the columns that ``SIDE_SIZES``, ``SIDE_RATES``, ``PROMPT_QUANTITIES`` and ``PAIR_QUANTITIES`` are written in. A
count is additive over turns: a conversation of three turns is the sum of its turns, however they are joined.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from . import patterns
from .patterns import LANGUAGES, PROMPT_KINDS, SCRIPTS

_TEXT: Final = pl.col("text")


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _count(pattern: str) -> pl.Expr:
    return _TEXT.str.count_matches(pattern)


def _count_lower(pattern: str) -> pl.Expr:
    return pl.col("lower").str.count_matches(pattern)


_characters: Final = _TEXT.str.len_chars()
_has_text: Final = _TEXT.str.contains(r"\S")
_fences: Final = _count(patterns.CODE_FENCE)
_code_blocks: Final = _TEXT.str.extract_all(patterns.CODE_BLOCK)

#: Additive counts of one turn; they read ``turn`` (as given, null allowed), ``text`` (null as "") and ``lower`` (case).
TURN_COUNTS: Final[Mapping[str, pl.Expr]] = {
    # Length
    "turns": pl.lit(1),
    "characters": _characters,
    "words": _count_lower(patterns.WORD),
    "sentences": _count(patterns.SENTENCE_END)
    + (_has_text & ~_TEXT.str.contains(rf"(?:{patterns.SENTENCE_END})\s*$")).cast(pl.Int64),
    "paragraphs": _TEXT.str.strip_chars().str.count_matches(r"\n\s*\n") + _has_text.cast(pl.Int64),
    "lines": _count(patterns.LINE),
    # Most characters are letters: to count the others and subtract finds a quarter of the matches, in less time.
    "letters": _characters - _count(r"\P{L}"),
    # Style
    "headers": _count(patterns.HEADER),
    "bold": _count(patterns.BOLD),
    "italics": _count(patterns.ITALICS),
    "bullets": _count(patterns.BULLET),
    "numbered_items": _count(patterns.NUMBERED_ITEM),
    "nested_items": _count(patterns.NESTED_ITEM),
    "code_fences": _fences,
    "code_characters": _code_blocks.list.eval(pl.element().str.len_chars()).list.sum(),
    "inline_code": _count(patterns.INLINE_CODE),
    "table_rows": _count(patterns.TABLE_ROW),
    "links": _count(patterns.LINK),
    "latex": _count(patterns.LATEX),
    "block_quotes": _count(patterns.BLOCK_QUOTE),
    "rules": _count(patterns.RULE),
    "quotes": _count('["“”„«»]'),
    "digits": _count("[0-9]"),
    "numbers": _count(patterns.NUMBER),
    "capitals": _count(r"\p{Lu}"),
    "capitalised_words": _count(patterns.CAPITALISED_WORD),
    "acronyms": _count(patterns.ACRONYM),
    "non_ascii": _count(r"[^\x00-\x7F]"),
    "emoji": _count(patterns.EMOJI),
    "question_marks": _count("[?？]"),
    "exclamation_marks": _count("[!！]"),
    "parentheses": _count("[(（]"),
    "commas": _count("[,，、]"),
    "colons": _count("[:：]"),
    "semicolons": _count("[;；]"),
    "dashes": _count("[–—]| - "),
    "ellipses": _count(r"\.\.\.|…"),
    "symbols": _count(r"[$%&+=<>^~|\\/{}\[\]#@_]"),
    "control_characters": _count(patterns.CONTROL_CHARACTER),
    # Missingness
    "null_turns": pl.col("turn").is_null(),
    "empty_turns": pl.col("turn").is_not_null() & ~_has_text,
    "unfinished_turns": _has_text & ~_TEXT.str.contains(patterns.FINISHED),
    "odd_fences": _fences % 2,
    # Content
    "refusals": _count_lower(patterns.REFUSAL),
    "apologies": _count_lower(patterns.APOLOGY),
    "ai_self": _count_lower(patterns.AI_SELF),
    "politeness": _count_lower(patterns.POLITENESS),
    "eager_openings": _count_lower(patterns.EAGER_OPENING),
    "closing_offers": _count_lower(patterns.CLOSING_OFFER),
    "conclusions": _count_lower(patterns.CONCLUSION),
    "examples": _count_lower(patterns.EXAMPLE),
    "cautions": _count_lower(patterns.CAUTION),
    "concessions": _count_lower(patterns.CONCESSION),
    "steps": _count_lower(patterns.STEP),
    "opinions": _count_lower(patterns.OPINION),
    "role_leaks": _count_lower(patterns.ROLE_LEAK),
    "syllables": _count_lower(patterns.VOWELS),
    **{f"script_{name}": _count(pattern) for name, pattern in SCRIPTS.items() if name != "latin"},
    "script_latin": _characters - _count(r"\P{Latin}"),
}

#: Additive counts of one turn of the prompt, which are asked of no answer.
PROMPT_TURN_COUNTS: Final[Mapping[str, pl.Expr]] = {
    **{f"kind_{name}": pl.col("lower").str.contains(pattern) for name, pattern in PROMPT_KINDS.items()},
    "asked_words": pl.col("lower").str.extract(patterns.ASKED_WORDS, 1).cast(pl.Int64).fill_null(0),
}

#: Counts that are also kept for the last turn alone, which is what a person reads just before the verdict.
LAST_TURN_COUNTS: Final[Sequence[str]] = _names(
    "characters words sentences lines bullets numbered_items refusals apologies unfinished_turns"
)


def _ratio(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    # A text without words has no words per sentence: x / 0 is 0, so that no feature is ever missing.
    return pl.when(denominator > 0).then(numerator / denominator).otherwise(0.0)


def _distance(names: Sequence[str]) -> pl.Expr:
    """Half the L1 distance between the answer's and the prompt's distributions over ``names``; 0 where one is empty."""
    of_answer, of_prompt = pl.sum_horizontal(names), pl.sum_horizontal(f"prompt_{name}" for name in names)
    gaps = (_ratio(pl.col(name), of_answer) - _ratio(pl.col(f"prompt_{name}"), of_prompt) for name in names)
    distance = pl.sum_horizontal(gap.abs() for gap in gaps) / 2
    return pl.when((of_answer > 0) & (of_prompt > 0)).then(distance).otherwise(0.0)


def _log_distance(x: pl.Expr, y: pl.Expr) -> pl.Expr:
    return (x.cast(pl.Float64).log1p() - y.cast(pl.Float64).log1p()).abs()


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

#: Quantities of a side that are never negative and grow with the text. Columns of the prompt start with ``prompt_``.
SIDE_SIZES: Final[Mapping[str, pl.Expr]] = {
    **{name: pl.col(name) for name in (*_COUNTED, *(f"last_{name}" for name in LAST_TURN_COUNTS))},
    "list_items": _list_items,
    "formatting": _list_items + pl.col("headers") + pl.col("bold") + pl.col("table_rows"),
    "mean_turn_words": _ratio(_words, pl.col("turns")),
    "repeated_trigrams": pl.col("trigrams") - pl.col("unique_trigrams"),
    "repeated_lines": pl.col("lines") - pl.col("unique_lines"),
    "repeated_sentences": pl.col("repeated_sentences"),
    "new_words": pl.col("unique_words") - pl.col("words_with_prompt"),
}

#: Sizes whose sum over the two sides is kept too: how much there was to read, and what either did.
SUMMED: Final = frozenset(
    _names(
        """characters words last_words list_items formatting code_characters numbers refusals apologies empty_turns
        null_turns unfinished_turns repeated_trigrams role_leaks"""
    )
)

#: Quantities of a side that are already relative to its length, or to the prompt.
SIDE_RATES: Final[Mapping[str, pl.Expr]] = {
    "word_length": _ratio(pl.col("word_characters"), _words),
    "sentence_words": _ratio(_words, pl.col("sentences")),
    "paragraph_words": _ratio(_words, pl.col("paragraphs")),
    "line_words": _ratio(_words, pl.col("lines")),
    "long_word_share": _ratio(pl.col("long_words"), _words),
    "syllables_per_word": _ratio(pl.col("syllables"), _words),
    # Flesch (1948), with runs of vowels for syllables.
    "flesch_reading_ease": pl.when((_words > 0) & (pl.col("sentences") > 0))
    .then(206.835 - 1.015 * _ratio(_words, pl.col("sentences")) - 84.6 * _ratio(pl.col("syllables"), _words))
    .otherwise(0.0),
    "type_token_ratio": _ratio(pl.col("unique_words"), _words),
    "root_type_token_ratio": _ratio(pl.col("unique_words"), _words.sqrt()),
    "function_word_share": _ratio(pl.col("function_words"), _words),
    "capital_share": _ratio(pl.col("capitals"), pl.col("letters")),
    "capitalised_share": _ratio(pl.col("capitalised_words"), _words),
    "digit_share": _ratio(pl.col("digits"), pl.col("characters")),
    "non_ascii_share": _ratio(pl.col("non_ascii"), pl.col("characters")),
    "letter_share": _ratio(pl.col("letters"), pl.col("characters")),
    "code_share": _ratio(pl.col("code_characters"), pl.col("characters")),
    "comma_rate": _ratio(pl.col("commas"), _words),
    "list_item_share": _ratio(_list_items, pl.col("lines")),
    "last_turn_share": _ratio(pl.col("last_characters"), pl.col("characters")),
    **{
        f"{name}_rate": _ratio(pl.col(name), _words)
        for name in _names("hedges connectives first_person second_person negations enthusiasm imperatives numbers")
    },
    "repeated_bigram_share": _ratio(pl.col("bigrams") - pl.col("unique_bigrams"), pl.col("bigrams")),
    "repeated_trigram_share": _ratio(pl.col("trigrams") - pl.col("unique_trigrams"), pl.col("trigrams")),
    "repeated_line_share": _ratio(pl.col("lines") - pl.col("unique_lines"), pl.col("lines")),
    "repeated_sentence_share": _ratio(pl.col("repeated_sentence_characters"), pl.col("sentence_characters")),
    "compression_ratio": _ratio(pl.col("compressed_bytes"), pl.col("kept_bytes")),
    "prompt_word_jaccard": _ratio(
        pl.col("words_with_prompt"),
        pl.col("unique_words") + pl.col("prompt_unique_words") - pl.col("words_with_prompt"),
    ),
    **{
        f"prompt_{kind}_covered": _ratio(pl.col(f"{kind}_with_prompt"), pl.col(f"prompt_unique_{kind}"))
        for kind in ("words", "terms", "figures", "bigrams", "trigrams")
    },
    **{
        f"{kind}_from_prompt": _ratio(pl.col(f"{kind}_with_prompt"), pl.col(f"unique_{kind}"))
        for kind in ("words", "bigrams", "trigrams")
    },
    "script_mismatch": _distance([f"script_{name}" for name in SCRIPTS]),
    "language_mismatch": _distance([f"language_{name}" for name in LANGUAGES]),
    "asked_words_missed": pl.when(_asked_words > 0).then(_log_distance(_words, _asked_words)).otherwise(0.0),
}

#: Quantities of the prompt, the same for both sides.
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
    "word_length": _ratio(pl.col("prompt_word_characters"), pl.col("prompt_words")),
    "sentence_words": _ratio(pl.col("prompt_words"), pl.col("prompt_sentences")),
    "capital_share": _ratio(pl.col("prompt_capitals"), pl.col("prompt_letters")),
    "non_ascii_share": _ratio(pl.col("prompt_non_ascii"), pl.col("prompt_characters")),
    "digit_share": _ratio(pl.col("prompt_digits"), pl.col("prompt_characters")),
    "english_share": _ratio(pl.col("prompt_language_english"), pl.col("prompt_words")),
    "repeated_bigram_share": _ratio(
        pl.col("prompt_bigrams") - pl.col("prompt_unique_bigrams"), pl.col("prompt_bigrams")
    ),
}


def _jaccard(kind: str) -> pl.Expr:
    shared = pl.col(f"{kind}_shared")
    return _ratio(shared, pl.col(f"unique_{kind}_a") + pl.col(f"unique_{kind}_b") - shared)


def _overlap(kind: str) -> pl.Expr:
    return _ratio(pl.col(f"{kind}_shared"), pl.min_horizontal(f"unique_{kind}_a", f"unique_{kind}_b"))


_shorter_words: Final = pl.min_horizontal("words_a", "words_b")
_longer_words: Final = pl.max_horizontal("words_a", "words_b")

#: Quantities of the two answers together; every expression is symmetric in the columns ``_a`` and ``_b``.
PAIR_QUANTITIES: Final[Mapping[str, pl.Expr]] = {
    "word_jaccard": _jaccard("words"),
    "bigram_jaccard": _jaccard("bigrams"),
    "trigram_jaccard": _jaccard("trigrams"),
    "term_jaccard": _jaccard("terms"),
    "figure_jaccard": _jaccard("figures"),
    "line_jaccard": _jaccard("lines"),
    "word_overlap": _overlap("words"),
    "trigram_overlap": _overlap("trigrams"),
    "words_shared_beyond_prompt": pl.col("words_shared") - pl.col("words_in_all"),
    "identical": pl.col("identical"),
    "same_opening": pl.col("same_opening"),
    "same_last_number": pl.col("same_last_number"),
    "compression_distance": pl.col("compression_distance"),
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
