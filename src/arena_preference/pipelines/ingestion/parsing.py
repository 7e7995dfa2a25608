"""Nodes of the pipeline ``ingestion`` that read raw rows."""

import json
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from arena_preference.battles import DESCRIPTION_COLUMNS, ID, TEXT_COLUMNS, prompt_group
from arena_preference.datasets import RawTable
from arena_preference.formats import (
    Battle,
    ExcludedRowError,
    Format,
    Row,
    UnusableRowError,
    find_format,
    read_as_text,
)
from arena_preference.formats.cells import read_id, repair_text
from arena_preference.formats.sides import draw_sides
from arena_preference.symmetry import swap_probabilities
from arena_preference.targets import SOFT_LABELS

from .config import IngestionConfig

logger = logging.getLogger(__name__)

_OF_THE_VOTE: Final = ("label", "weight", "tie_kind")
# The types of the columns that may be absent, and of those that are not texts or lists.
_TYPES: Final = {
    **dict.fromkeys(DESCRIPTION_COLUMNS, str),
    **dict.fromkeys((*SOFT_LABELS, "weight"), float),
    "row": "int64",
    "label": "int8",
}


def parse_train_battles(raw_battles: Sequence[RawTable], config: IngestionConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training battles from raw rows; a row that cannot be used is rejected, and a battle in several files counts once.

    Ids are as in the file; if there are several files, they stand behind the file's name.

    Returns:
        Battles (schema ``Battles``, with label) in the order of the ids, and the rejected rows (``RejectedRows``).

    Raises:
        ValueError: If a file has no known format or no usable row, or is a benchmark; if more of the rows than
            ``config.max_rejected`` cannot be used; or if an id occurs twice.
    """
    battles: list[Battle] = []
    rejected: list[dict[str, Any]] = []
    for table in raw_battles:
        form = _find_format(table, config)
        _check_table(table, form, config)
        n_before, n_rejected = len(battles), len(rejected)
        for number, row in enumerate(table.rows, start=table.first_row):
            try:
                battles += _parse_labelled(form, row, table, number, config)
            except UnusableRowError as reason:
                rejected.append(_reject(table.name, row, str(reason), not isinstance(reason, ExcludedRowError)))
        if len(battles) == n_before:
            raise ValueError(
                f"None of the {len(table.rows)} rows of {table.path}, read as {form.name}, can be used. Reasons: "
                f"{_describe(_tabulate_rejected(rejected[n_rejected:]))}. docs/data.md has the formats; "
                "ingestion.format names one."
            )
    if len(raw_battles) > 1:
        battles, duplicates = _drop_duplicates(battles, config.main_source)
        rejected += duplicates
    rejected_rows = _tabulate_rejected(rejected)
    if all(table.is_whole for table in raw_battles):
        check_rejected(rejected_rows, len(battles), config)
    return _tabulate_battles("train", battles, rejected_rows), rejected_rows


def parse_test_battles(raw_battles: Sequence[RawTable], config: IngestionConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Battles to predict. No id is lost: in a row that cannot be parsed, each cell is read as one turn of plain text.

    A row that training would leave out is predicted from its texts. A is the response that the file names first.

    Returns:
        Battles (schema ``Battles``, without label), one for each row of the file, in the order of the ids; and the rows
        that training would reject, with what cannot be parsed as plain text (``RejectedRows``).

    Raises:
        ValueError: If the file has no known format, or an id is missing or occurs twice, so that the submission could
            not name it.
    """
    battles: list[Battle] = []
    repaired: list[dict[str, Any]] = []
    for table in raw_battles:
        form = _find_format(table, config)
        for number, row in enumerate(table.rows, start=table.first_row):
            try:
                (battle,) = form.parse(row)
            except UnusableRowError as reason:
                battle = reason.battle or _read_as_text(row, form)
                repaired.append(_reject(table.name, row, str(reason), not isinstance(reason, ExcludedRowError)))
            except ValueError:
                raise ValueError(
                    f"Row {number + 1} of {table.path} has several battles, and one is predicted for each row. Write "
                    "each pair of responses into a row of its own."
                ) from None
            try:
                unlabelled = {name: value for name, value in battle.items() if name not in _OF_THE_VOTE}
                battles.append(_complete_battle(unlabelled, row, table, form, number))
            except UnusableRowError as reason:
                raise ValueError(
                    f"Row {number + 1} of {table.path} cannot be predicted: {reason}. Each row needs the id that the "
                    "submission is to name."
                ) from None
    rejected = _tabulate_rejected(repaired)
    return _tabulate_battles("test", battles, rejected), rejected


def _read_as_text(row: Row, form: Format) -> Battle:
    """A battle from a row that does not fit its format."""
    values = [row.get(column) for column in form.columns]
    if form.name != "competition":
        values = [[value] if isinstance(value, str) and value else value for value in values]
    return {ID: None, **dict(zip(TEXT_COLUMNS, map(read_as_text, values), strict=True))}


def check_rejected(rejected: pd.DataFrame, n_battles: int, config: IngestionConfig) -> None:
    """Stop if too many rows cannot be used: what is left may be a biased selection.

    Raises:
        ValueError: If they are more than ``config.max_rejected`` of all rows.
    """
    faults = rejected[rejected["is_fault"]]
    fraction = len(faults) / max(len(rejected) + n_battles, 1)
    if fraction > config.max_rejected:
        raise ValueError(
            f"{len(faults)} of {len(rejected) + n_battles} training rows ({fraction:.1%}) cannot be used, more than "
            f"ingestion.max_rejected={config.max_rejected}. Reasons: {_describe(faults)}. Correct them, or train "
            "without them with --params=ingestion.max_rejected=1."
        )


def _find_format(table: RawTable, config: IngestionConfig) -> Format:
    """Return the format of a file, and log it once."""
    form = find_format(table.path, table.head, config.format)
    if table.first_row == 0:
        logger.info("%s: format %s", table.name, form.name)
    return form


def _check_table(table: RawTable, form: Format, config: IngestionConfig) -> None:
    """Reject a file that is not to be trained on, and warn of one without votes of people."""
    if form.is_benchmark and not config.allow_benchmarks:
        raise ValueError(
            f"{table.path} has the format {form.name}, whose battles are published to evaluate models; a model that "
            "was trained on them cannot be evaluated with them. Train nevertheless with "
            "ingestion.allow_benchmarks=true."
        )
    if table.n_files > 1 and not table.is_whole:
        raise ValueError(
            f"{table.path} is one of {table.n_files} files, which cannot be read in chunks, because a battle may be in "
            "two of them. Set chunk_rows to null in the environment's globals.yml."
        )
    if table.first_row == 0 and form.voters == "AI":
        logger.warning("%s: the labels are of AI judges, not of people.", table.name)


def _parse_labelled(form: Format, row: Row, table: RawTable, number: int, config: IngestionConfig) -> list[Battle]:
    battles = list(form.parse(row))
    if any(battle["label"] is None for battle in battles):
        raise UnusableRowError("there is no label")
    if form.draws_sides:
        battles = [draw_sides(battle) for battle in battles]
    for position, battle in enumerate(battles):
        _complete_battle(battle, row, table, form, number)
        # A row with several pairs of responses has one id.
        if len(battles) > 1:
            battle[ID] = f"{battle[ID]}-{position}"
        if table.n_files > 1:
            battle[ID] = f"{table.name}/{battle[ID]}"
        strength = battle.pop("weight", 1.0)
        weight = config.source_weights.get(table.name, 1.0) * (strength if config.strength_weights else 1.0)
        if weight != 1:
            battle["weight"] = weight
        probabilities = battle["label"]
        battle["label"] = int(np.argmax(probabilities))
        if max(probabilities) != 1:
            battle |= dict(zip(SOFT_LABELS, probabilities, strict=True))
    return battles


def _complete_battle(battle: Battle, row: Row, table: RawTable, form: Format, number: int) -> Battle:
    """Add id, if the format has none, file, format, row and prompt group; raise ``UnusableRowError`` without an id."""
    if battle[ID] is None:
        battle[ID] = read_id(row, ID if ID in row else "question_id")
    if battle[ID] is None:
        if any({ID, "question_id"} & other.keys() for other in (row, *table.head)):
            raise UnusableRowError("id is missing")
        battle[ID] = str(number)
    battle |= {"source": table.name, "format": form.name, "row": number, "prompt_group": prompt_group(battle["prompt"])}
    return battle


def _drop_duplicates(battles: list[Battle], main_source: str | None) -> tuple[list[Battle], list[dict[str, Any]]]:
    """Drop battles that an earlier file has with the same texts and label, also with the responses exchanged.

    The main source comes first, then the files by name. Within a file, equal rows are votes of several people.
    """
    main_source = main_source or Counter(battle["source"] for battle in battles).most_common(1)[0][0]
    seen: dict[Any, Battle] = {}
    kept, dropped = [], []
    for battle in sorted(battles, key=lambda each: (each["source"] != main_source, each["source"])):
        original, swapped = _identify(battle)
        first = seen.setdefault(min(original, swapped), battle)
        if first["source"] == battle["source"]:
            kept.append(battle)
        else:
            row = {ID: battle[ID], **{column: battle[column] for column in TEXT_COLUMNS}}
            dropped.append(_reject(battle["source"], row, f"the same battle in another file: {first[ID]}", False))
    return kept, dropped


def _identify(battle: Battle) -> tuple[str, str]:
    a, b = (json.dumps(battle[column]) for column in TEXT_COLUMNS[1:])
    label = np.array([[battle.get(name, k == battle["label"]) for k, name in enumerate(SOFT_LABELS)]], dtype=float)
    prompt = json.dumps(battle["prompt"])
    return f"{prompt}{a}{b}{label.tolist()}", f"{prompt}{b}{a}{swap_probabilities(label).tolist()}"


def _reject(source: str, row: Row, reason: str, is_fault: bool) -> dict[str, Any]:
    raw_id = row.get(ID, row.get("question_id"))
    return {
        "source": source,
        ID: None if raw_id is None else repair_text(str(raw_id)),
        "reason": reason,
        "is_fault": is_fault,
        "raw_row": json.dumps(row, default=str),
    }


def count_reasons(rejected: pd.DataFrame) -> dict[str, int]:
    """Count equal reasons, without the cells that they quote, in descending order."""
    return dict(rejected["reason"].map(lambda reason: reason.partition(":")[0]).value_counts().items())


def _describe(rejected: pd.DataFrame) -> str:
    """The reasons, and the first row with the cell that its reason quotes."""
    first = rejected.iloc[0]
    return f"{count_reasons(rejected)}; the first row has the id {first[ID]} in {first['source']}: {first['reason']}"


def _tabulate_rejected(rejected: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rejected, columns=["source", ID, "reason", "is_fault", "raw_row"])
    return table.astype({"source": str, ID: str, "reason": str, "is_fault": bool, "raw_row": str})


def _tabulate_battles(split: str, battles: list[Battle], rejected: pd.DataFrame) -> pd.DataFrame:
    table = pd.DataFrame(battles)
    table = table.astype({ID: str, "source": str, "format": str, "prompt_group": str})
    table = table.astype({name: kind for name, kind in _TYPES.items() if name in table})
    repeated = table.loc[table[ID].duplicated(), ID]
    if len(repeated):
        raise ValueError(
            f"{repeated.nunique()} ids occur more than once in {', '.join(table['source'].unique()[:3])}, the first: "
            f"{', '.join(repeated.unique()[:5])}. Give every row its own id."
        )
    logger.info("%s: %d battles, %d rows in %s_rejected_rows", split, len(table), len(rejected), split)
    for reason, count in count_reasons(rejected).items():
        logger.warning("%s: %d x %s", split, count, reason)
    return table.sort_values(ID, ignore_index=True)
