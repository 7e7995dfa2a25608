"""Columns prompt, response_a and response_b with a text or a list of texts, as in WSDM Cup and in own JSON lines."""

from collections.abc import Iterator, Set
from typing import Final

from arena_preference.battles import ID, TEXT_COLUMNS

from .cells import read_id, read_label, read_optional, read_response, read_text_or_turns
from .format import Battle, Format, Row


def _matches(columns: Set[str], head: list[Row]) -> bool:
    return columns >= set(TEXT_COLUMNS)


def _parse(row: Row) -> Iterator[Battle]:
    yield {
        ID: read_id(row),
        "prompt": read_text_or_turns(row, "prompt"),
        **{column: read_response(row, column) for column in TEXT_COLUMNS[1:]},
        "label": read_label(row),
        **read_optional(row, model_a="model_a", model_b="model_b", language="language"),
    }


PLAIN: Final = Format("plain", _matches, _parse)
