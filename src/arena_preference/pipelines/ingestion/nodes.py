"""Nodes of the pipeline ``ingestion``."""

import json
import logging
import re
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from pandas.util import hash_array
from sklearn.model_selection import StratifiedGroupKFold

from arena_preference.battles import ID, LABEL_COLUMNS, MODEL_COLUMNS, N_CLASSES, TEXT_COLUMNS, prompt_group

from .config import IngestionConfig

logger = logging.getLogger(__name__)

Turns = list[str | None]

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_INT64 = np.iinfo(np.int64)
_FLAGS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}


class UnusableCellError(ValueError):
    """A cell that does not fit the competition's format; the message is the reason shown to the user."""


def parse_train_battles(raw_battles: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training battles from raw rows; a row with a cell that cannot be parsed is rejected.

    Returns:
        Battles (schema ``Battles``, with label) in the order of the file, and the rejected rows (``RejectedRows``).

    Raises:
        ValueError: If no row can be used, or an id occurs twice.
    """
    battles: list[dict[str, Any]] = []
    rejected: list[dict[str, Any]] = []
    for row in raw_battles.to_dict(orient="records"):
        try:
            battle: dict[str, Any] = {ID: parse_id(row[ID])}
            for column in TEXT_COLUMNS:
                battle[column] = _parse_cell(column, row[column])
            battle["label"] = parse_label([row[column] for column in LABEL_COLUMNS])
        except UnusableCellError as reason:
            rejected.append(_rejected_row(row, str(reason)))
        else:
            battles.append(_complete_battle(battle, row))
    if not battles:
        reasons = pd.Series([_kind(row["reason"]) for row in rejected]).value_counts().head(3).to_dict()
        raise ValueError(
            f"None of the {len(raw_battles)} rows of {_source(raw_battles)} can be used. Most frequent reasons: "
            f"{reasons}. Compare the file with the competition's train.csv."
        )
    return _assemble_tables("train", raw_battles, battles, rejected)


def parse_test_battles(raw_battles: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Battles to predict. No id is lost: a cell that cannot be parsed is read as one turn of plain text.

    Returns:
        Battles (schema ``Battles``, without label), every row of the file in its order, and the rows with a cell that
        was read as plain text (``RejectedRows``).

    Raises:
        ValueError: If an id is not an integer or occurs twice, so that the submission could not name it.
    """
    battles: list[dict[str, Any]] = []
    repaired: list[dict[str, Any]] = []
    for index, row in zip(raw_battles.index, raw_battles.to_dict(orient="records"), strict=True):
        try:
            battle: dict[str, Any] = {ID: parse_id(row[ID])}
        except UnusableCellError as reason:
            raise ValueError(
                f"Row {index + 1} of {_source(raw_battles)} cannot be predicted: {reason}. Each row needs the integer "
                "id that the submission is to name."
            ) from reason
        reasons = []
        for column in TEXT_COLUMNS:
            try:
                battle[column] = _parse_cell(column, row[column])
            except UnusableCellError as reason:
                battle[column] = [row[column]] if row[column] else []
                reasons.append(str(reason))
        if reasons:
            repaired.append(_rejected_row(row, "; ".join(reasons)))
        battles.append(_complete_battle(battle, row))
    return _assemble_tables("test", raw_battles, battles, repaired)


def sample_battles(battles: pd.DataFrame, config: IngestionConfig, seed: int) -> pd.DataFrame:
    """Training battles of a random sample of prompt groups, which transformers and projection are fitted on.

    Whether a group is drawn depends on its name and the seed alone, so partitions can be sampled one by one.
    """
    groups = battles["prompt_group"].to_numpy(dtype=object)
    chance = hash_array(groups, hash_key=f"{seed:016x}", categorize=False) / 2**64
    return battles[chance <= config.sample_fraction].reset_index(drop=True)


def assign_folds(battles: pd.DataFrame, config: IngestionConfig, seed: int) -> pd.DataFrame:
    """Labels of the training battles, schema ``Labels``, with stratified folds that never split a prompt group.

    Raises:
        ValueError: If there are fewer prompt groups than folds, a class has fewer battles than there are folds, or
            two folds hold all battles of a class.
    """
    n_splits, groups, labels = config.n_splits, battles["prompt_group"], battles["label"].to_numpy()
    if groups.nunique() < n_splits:
        raise ValueError(
            f"{groups.nunique()} prompt groups are too few for {n_splits} folds, which take whole groups. "
            "Add battles or lower ingestion.n_splits (at least 3)."
        )
    counts = np.bincount(labels, minlength=N_CLASSES)
    if counts.min() < n_splits:
        rarest = LABEL_COLUMNS[int(counts.argmin())]
        raise ValueError(
            f"Only {counts.min()} training battles have the label {rarest}; each of the {n_splits} folds needs "
            "at least one. Add battles or lower ingestion.n_splits."
        )
    splitter = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed)
    fold = np.empty(len(battles), dtype=np.int8)
    for number, (_, held_out) in enumerate(splitter.split(battles, labels, groups)):
        fold[held_out] = number
    # Bag-of-words models are fitted on the battles outside each pair of folds.
    for pair in combinations(range(n_splits), 2):
        absent = np.setdiff1d(range(N_CLASSES), labels[~np.isin(fold, pair)])
        if len(absent):
            raise ValueError(
                f"All battles with the label {LABEL_COLUMNS[absent[0]]} are in folds {pair[0]} and {pair[1]}, because "
                "they share prompt groups, so a model that is fitted outside of them could not learn it. Add battles "
                "or change seed."
            )
    return battles[[ID, "prompt_group", "label"]].assign(fold=fold)


def parse_id(cell: str) -> int:
    """Id as an integer.

    Raises:
        UnusableCellError: If the cell is not a whole number of at most 64 bits.
    """
    if _INTEGER.fullmatch(cell.strip()):
        value = int(cell)
        if _INT64.min <= value <= _INT64.max:
            return value
    raise UnusableCellError(f"id is not an integer: {cell[:40]!r}")


def parse_turns(cell: str) -> Turns:
    """Turns of a prompt or response; null stays None, since no response and an empty one are different facts.

    Unescaped control characters, which strict JSON forbids, are accepted.

    Raises:
        UnusableCellError: If the cell is not a JSON list of texts and nulls.
    """
    try:
        turns = json.loads(cell, strict=False)
    # A list nested a thousand levels deep exhausts the parser's recursion limit.
    except (ValueError, RecursionError):
        raise UnusableCellError("not JSON") from None
    if not isinstance(turns, list):
        raise UnusableCellError("not a JSON list")
    if not all(turn is None or isinstance(turn, str) for turn in turns):
        raise UnusableCellError("a list with items other than texts and nulls")
    return [None if turn is None else repair_text(turn) for turn in turns]


def repair_text(text: str) -> str:
    """Text with lone surrogates replaced by U+FFFD: JSON can hold them, but UTF-8, Parquet and tokenizers cannot."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def parse_label(cells: Sequence[str]) -> int:
    """Label, 0, 1 or 2, from the three winner columns.

    Raises:
        UnusableCellError: If they are not one 1 and two 0.
    """
    flags = [_FLAGS.get(cell.strip().lower()) for cell in cells]
    if None in flags or flags.count(1) != 1:
        raise UnusableCellError(f"label is not one 1 and two 0: {', '.join(cells)[:40]!r}")
    return flags.index(1)


def _parse_cell(column: str, cell: str) -> Turns:
    try:
        return parse_turns(cell)
    except UnusableCellError as reason:
        raise UnusableCellError(f"{column} is {reason}") from None


def _complete_battle(battle: dict[str, Any], row: dict[str, str]) -> dict[str, Any]:
    battle["prompt_group"] = prompt_group(battle["prompt"])
    for column in MODEL_COLUMNS:
        if column in row:
            battle[column] = row[column] or None
    return battle


def _rejected_row(row: dict[str, str], reason: str) -> dict[str, Any]:
    return {ID: row[ID], "reason": reason, "raw_row": json.dumps(row)}


def _source(raw_battles: pd.DataFrame) -> str:
    """Name of the raw file, which the dataset that read it leaves in ``attrs``."""
    return str(raw_battles.attrs.get("source", "the raw file"))


def _kind(reason: str) -> str:
    """Reason without the cell that it quotes, so that equal reasons are counted together."""
    return reason.partition(":")[0]


def _assemble_tables(
    split: str, raw_battles: pd.DataFrame, battles: list[dict[str, Any]], rejected: list[dict[str, Any]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = pd.DataFrame(battles).astype({ID: "int64", "prompt_group": str})
    if "label" in table:
        table = table.astype({"label": "int8"})
    repeated = table.loc[table[ID].duplicated(), ID]
    if len(repeated):
        raise ValueError(
            f"{repeated.nunique()} ids occur more than once in {_source(raw_battles)}, the first: "
            f"{', '.join(map(str, repeated.unique()[:5]))}. Give every row its own id."
        )
    report = pd.DataFrame(rejected, columns=[ID, "reason", "raw_row"], dtype=str)
    logger.info("%s: %d battles, %d rows in %s_rejected_rows", split, len(table), len(report), split)
    for reason, count in report["reason"].map(_kind).value_counts().head(5).items():
        logger.warning("%s: %d x %s", split, count, reason)
    return table, report
