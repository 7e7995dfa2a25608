"""What the adapter of a format of battles is."""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from typing import Any, Literal

from arena_preference.battles import TEXT_COLUMNS

#: A row as the file has it: texts in CSV; numbers, lists and mappings in JSON lines and Parquet.
Row = dict[str, Any]

#: ``id`` (text, None if the file has none), ``prompt``, ``response_a``, ``response_b`` (lists of turns: text or None),
#: ``label`` (three probabilities, None if unknown), and any of the optional columns of the schema ``Battles``.
Battle = dict[str, Any]


class UnusableRowError(ValueError):
    """A row that does not fit its format. The message is the reason shown to the user, a quoted cell behind a colon.

    Attributes:
        battle: What of the row can be predicted nevertheless; None if that is for ingestion to say.
    """

    battle: Battle | None = None


class ExcludedRowError(UnusableRowError):
    """A row that is left out by a rule, and is no fault of the file."""


@dataclass(frozen=True)
class Format:
    """A format of battles.

    Attributes:
        name: Value of the parameter ``ingestion.format``.
        matches: Whether a file is of this format, from its columns and its first rows.
        parse: The battles of a row, most often one; raises ``UnusableRowError``.
        voters: Who the labels are from.
        is_benchmark: Whether the battles are published to evaluate models, so that training on them spoils that.
        draws_sides: Whether the order of the responses may tell the label. In a test file A is the first response;
            for training the sides are drawn.
        columns: Those of the prompt and of both responses, where a test row that does not fit still has texts.
    """

    name: str
    matches: Callable[[Set[str], list[Row]], bool]
    parse: Callable[[Row], Iterable[Battle]]
    voters: Literal["people", "AI"] = "people"
    is_benchmark: bool = False
    draws_sides: bool = False
    columns: tuple[str, ...] = TEXT_COLUMNS
