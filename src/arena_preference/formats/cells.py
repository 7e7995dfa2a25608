"""Values of cells that several formats have in common."""

import ast
import io
import json
import math
import re
import tokenize
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from arena_preference.battles import LABEL_COLUMNS, TIE

from .format import Row, UnusableRowError

Turns = list[str | None]
Label = tuple[float, float, float]

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
#: What programs write for a cell without a value.
MISSING: Final = frozenset({"", "nan", "null", "none", "<na>"})
_FLAGS: Final = {"false": 0.0, "true": 1.0}
_BOTH_BAD: Final = frozenset({"tie (bothbad)", "both_bad", "bothbad"})
_WINNERS: Final[dict[str, Label]] = {
    **dict.fromkeys(("model_a", "a", "response_a", "model_1", "response_1"), (1.0, 0.0, 0.0)),
    **dict.fromkeys(("model_b", "b", "response_b", "model_2", "response_2"), (0.0, 1.0, 0.0)),
    **dict.fromkeys(("tie", *_BOTH_BAD), (0.0, 0.0, 1.0)),
}
# Three probabilities that were rounded to two digits.
_TOLERANCE: Final = 0.0151


def parse_turns(cell: str) -> Turns:
    """Turns of a cell that is a list as JSON or Python writes it, without running any code.

    A null and a NaN are None, since no response and an empty one are different facts. Unescaped control characters,
    which strict JSON forbids, are accepted.

    Raises:
        UnusableRowError: If the cell is not a list of texts and nulls.
    """
    turns = parse_literal(cell)
    if not isinstance(turns, list):
        raise UnusableRowError("not a list")
    return check_turns(turns)


def parse_literal(cell: str) -> Any:
    """A value as JSON or Python writes it, without running any code; NaN is None.

    Raises:
        UnusableRowError: If the cell is neither.
    """
    try:
        return json.loads(cell, strict=False, parse_constant=lambda _: None)
    # A list nested a thousand levels deep exhausts the parser's recursion limit.
    except (ValueError, RecursionError):
        pass
    try:
        value, has_adjacent_texts = ast.literal_eval(cell.strip()), _has_adjacent_texts(cell.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, tokenize.TokenError):
        raise UnusableRowError("neither JSON nor a Python list") from None
    if has_adjacent_texts:
        raise UnusableRowError("a list without commas, as NumPy writes it")
    return value


def _has_adjacent_texts(literal: str) -> bool:
    """Whether two texts have no comma between them: Python makes one of them, where NumPy meant two."""
    tokens = tokenize.generate_tokens(io.StringIO(literal).readline)
    kinds = [token.type for token in tokens if token.type != tokenize.NL]
    return (tokenize.STRING, tokenize.STRING) in pairwise(kinds)


def check_turns(turns: Sequence[Any]) -> Turns:
    """Turns as texts that fit into UTF-8, and None.

    Raises:
        UnusableRowError: If an item is neither a text nor None.
    """
    if not all(turn is None or isinstance(turn, str) for turn in turns):
        raise UnusableRowError("a list with items other than texts and nulls")
    return [None if turn is None else repair_text(turn) for turn in turns]


def repair_text(text: str) -> str:
    """Text with lone surrogates replaced by U+FFFD: JSON can hold them, but UTF-8, Parquet and tokenizers cannot."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def read_text_or_turns(row: Row, column: str) -> Turns:
    """Turns of a value that is one text or a list of texts.

    Raises:
        UnusableRowError: If it is missing or something else.
    """
    value = row.get(column)
    if isinstance(value, str) and value:
        return [repair_text(value)]
    if isinstance(value, list):
        try:
            return check_turns(value)
        except UnusableRowError as reason:
            raise UnusableRowError(f"{column} is {reason}") from None
    raise UnusableRowError(f"{column} is {'missing' if value is None or value == '' else 'neither text nor a list'}")


def read_response(row: Row, column: str) -> Turns:
    """Turns of a response, which may be empty or null if the row has its column: models do say nothing.

    Raises:
        UnusableRowError: If it is something else.
    """
    return [row[column]] if row.get(column, column) in (None, "") else read_text_or_turns(row, column)


def check_reply(turns: Turns, column: str) -> Turns:
    """The replies; raise ``UnusableRowError`` if the last one, which the vote is on, is missing."""
    if not turns or turns[-1] is None:
        raise UnusableRowError(f"{column} does not end with a reply")
    return turns


def read_id(row: Row, column: str = "id") -> str | None:
    """Id as it is written, None without one."""
    value = row.get(column)
    if isinstance(value, Mapping | list):
        raise UnusableRowError(f"{column} is not a text or number")
    return None if value is None or str(value).strip() == "" else repair_text(str(value).strip())


def read_text(row: Row, column: str) -> str | None:
    """A value as text, None if it is missing."""
    value = row.get(column)
    text = "" if value is None else repair_text(str(value).strip())
    return None if text.lower() in MISSING else text


def read_number(row: Row, column: str) -> float | None:
    """A value as number, None if it is missing.

    Raises:
        UnusableRowError: If it is no finite number.
    """
    text = read_text(row, column)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UnusableRowError(f"{column} is not a number: {text[:40]!r}")
    return number


def read_winner(row: Row, column: str = "winner") -> Label | None:
    """Label from a column with the name of the winner, None if it is missing.

    Raises:
        UnusableRowError: If the name is unknown.
    """
    text = read_text(row, column)
    if text is None:
        return None
    if text.lower() not in _WINNERS:
        raise UnusableRowError(f"{column} is unknown: {text[:40]!r}")
    return _WINNERS[text.lower()]


def read_tie_kind(row: Row, label: Label | None) -> dict[str, str]:
    """The kind of a tie: both responses bad or not; nothing for another label."""
    if not label or not label[TIE]:
        return {}
    return {"tie_kind": "both bad" if str(read_text(row, "winner")).lower() in _BOTH_BAD else "tie"}


def read_label(row: Row) -> Label | None:
    """Label from the three winner columns or, where these are missing, from a column ``winner``; None without both.

    Raises:
        UnusableRowError: If it is no label.
    """
    return read_label_columns(row) or read_winner(row)


def read_label_columns(row: Row) -> Label | None:
    """Label from the three winner columns: one 1 and two 0, or probabilities that sum to 1; None if all are missing.

    Raises:
        UnusableRowError: If they are neither, or a column is missing.
    """
    absent = [column for column in LABEL_COLUMNS if column not in row]
    if 0 < len(absent) < len(LABEL_COLUMNS):
        raise UnusableRowError(f"the row has no {' and no '.join(absent)}")
    cells = ["" if row.get(column) is None else str(row[column]).strip() for column in LABEL_COLUMNS]
    if all(cell.lower() in MISSING for cell in cells):
        return None
    shown = f": {', '.join(cells)[:40]!r}"
    try:
        a, b, tie = (_FLAGS[cell.lower()] if cell.lower() in _FLAGS else float(cell) for cell in cells)
    except ValueError:
        raise UnusableRowError(f"the winner columns are not numbers{shown}") from None
    total = a + b + tie
    if not (min(a, b, tie) >= 0 and math.isclose(total, 1, abs_tol=_TOLERANCE)):
        raise UnusableRowError(f"the winner columns are neither one 1 and two 0 nor probabilities{shown}")
    return (a / total, b / total, tie / total)


def read_optional(row: Row, **columns: str) -> dict[str, str]:
    """Optional columns of a battle from columns of the row, without those that are missing."""
    values = {name: read_text(row, column) for name, column in columns.items()}
    return {name: value for name, value in values.items() if value is not None}


def read_as_text(value: Any) -> Turns:
    """Turns of any value; what is not a list of turns is one text, and a missing value has none."""
    if value is None or (isinstance(value, str) and value.strip().lower() in MISSING):
        return []
    try:
        return check_turns(value) if isinstance(value, list) else parse_turns(str(value))
    except UnusableRowError:
        return [repair_text(value if isinstance(value, str) else json.dumps(value, default=str))]
