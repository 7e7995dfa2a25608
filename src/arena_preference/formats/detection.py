"""Finds the form of a file."""

from typing import Final

from .arena import ARENA
from .competition import COMPETITION
from .format import Format, Row
from .messages import MESSAGES
from .plain import PLAIN

#: All forms by name. A file has the first one that matches, so the more specific ones come first.
FORMATS: Final[dict[str, Format]] = {form.name: form for form in (COMPETITION, ARENA, MESSAGES, PLAIN)}


def find_format(path: str, head: list[Row], name: str | None = None) -> Format:
    """Return the form of a file.

    Args:
        path: The file, for messages.
        head: Its first rows.
        name: The form to use, whatever the columns; None finds it.

    Raises:
        ValueError: If there is no form of that name, or none that matches.
    """
    if name is not None:
        if name not in FORMATS:
            raise ValueError(f"ingestion.format={name} is unknown. Formats are: {', '.join(FORMATS)}.")
        return FORMATS[name]
    columns = dict.fromkeys(column for row in head for column in row)
    for form in FORMATS.values():
        if form.matches(columns.keys(), head):
            return form
    raise ValueError(
        f"{path} has none of the known forms. Its columns are: {', '.join(columns)[:300]}. Rename them to id, prompt, "
        "response_a, response_b and, for training, winner_model_a, winner_model_b and winner_tie (docs/data.md has all "
        "forms), or name a form with --params=ingestion.format=NAME."
    )
