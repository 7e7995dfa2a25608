"""Finds the format of a file."""

from typing import Final

from .arena import ARENA
from .competition import COMPETITION
from .format import Format, Row
from .helpsteer import HELPSTEER2, HELPSTEER3
from .messages import MESSAGES
from .nectar import NECTAR
from .plain import PLAIN
from .ppe import PPE
from .preference import PREFERENCE
from .rewardbench import REWARDBENCH
from .ultrafeedback import ULTRAFEEDBACK

#: All formats by name. A file has the first one that matches, so the more specific ones come first.
FORMATS: Final[dict[str, Format]] = {
    form.name: form
    for form in (
        COMPETITION,
        ARENA,
        MESSAGES,
        HELPSTEER3,
        HELPSTEER2,
        NECTAR,
        PPE,
        REWARDBENCH,
        ULTRAFEEDBACK,
        PREFERENCE,
        PLAIN,
    )
}


def find_format(path: str, head: list[Row], name: str | None = None) -> Format:
    """Return the format of a file.

    Args:
        path: The file, for messages.
        head: Its first rows.
        name: The format to use, whatever the columns; None finds it.

    Raises:
        ValueError: If there is no format of that name, or none that matches.
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
        f"{path} has none of the known formats. Its columns are: {', '.join(columns)[:300]}. Rename them to id, "
        "prompt, response_a, response_b and, for training, winner_model_a, winner_model_b and winner_tie (docs/data.md "
        "has all formats), or name a format with --params=ingestion.format=NAME."
    )
