"""Nodes of the pipeline ``download``."""

import logging
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from kedro.io import DatasetError

from arena_preference.battles import ID, LABEL_COLUMNS, MODEL_COLUMNS, TEXT_COLUMNS, prompt_group
from arena_preference.datasets import RawCSVDataset
from arena_preference.pipelines.ingestion.nodes import UnusableCellError, parse_id, parse_label, parse_turns

from .clients import DownloadError, fetch_from_hub, fetch_from_kaggle, hash_file
from .config import DownloadConfig

logger = logging.getLogger(__name__)

_TRAIN, _TEST = "train.csv", "test.csv"
_TRAIN_COLUMNS: Final = (ID, *MODEL_COLUMNS, *TEXT_COLUMNS, *LABEL_COLUMNS)
_TEST_COLUMNS: Final = (ID, *TEXT_COLUMNS)
_VERDICT_COLUMNS: Final = (ID, *LABEL_COLUMNS)


def download_battles(
    options: DownloadConfig, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Fetch the competition's battles.

    Kaggle has a training and a test file. The Hub has the training file alone; some of its prompt groups are held out
    as the test file, and the verdicts of these battles are given apart.

    Args:
        options: Parameters ``download``.
        seed: The project's seed, which draws the battles that are held out.

    Returns:
        The training battles and the test battles, text columns as in the files; the verdicts of the test battles
        (columns id and the three winners, no rows where they are not known); and a summary: source, name and SHA-256
        of the files, and rows.

    Raises:
        DownloadError: If a file cannot be fetched, is no CSV with the competition's columns, or has another number of
            battles than is known.
        ValueError: If more battles are to be held out than there are.
    """
    if options.source == "kaggle":
        name, fetched = options.competition, (_TRAIN, _TEST)
        files = {file: fetch_from_kaggle(options.competition, file) for file in fetched}
    else:
        name = f"{options.hub.dataset}@{options.hub.revision}"
        files = {_TRAIN: fetch_from_hub(options.hub, _TRAIN)}
    battles = _read(files[_TRAIN], _TRAIN_COLUMNS)
    hashes = {file: hash_file(path) for file, path in files.items()}
    _compare(files[_TRAIN], hashes[_TRAIN], len(battles), options)
    if options.source == "kaggle":
        train, test, labels = battles, _read(files[_TEST], _TEST_COLUMNS), battles.head(0)
    else:
        train, held_out = hold_out_groups(battles, options.hub.test_battles, seed)
        test, labels = held_out[list(_TEST_COLUMNS)], held_out
    labels = labels[list(_VERDICT_COLUMNS)]
    rows = {"train": len(train), "test": len(test), "test_labels": len(labels)}
    logger.info("%s: %d battles to train on, %d to predict", name, rows["train"], rows["test"])
    return train, test, labels, {"source": options.source, "name": name, "sha256": hashes, "rows": rows}


def hold_out_groups(raw_battles: pd.DataFrame, size: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Hold out whole prompt groups, drawn at random.

    A row that ingestion would set aside stays where it is: it could not be scored.

    Args:
        raw_battles: Text columns as in the competition's train.csv.
        size: How many battles to hold out. Where no group fits into what is left of it, a few less are.
        seed: The project's seed.

    Returns:
        The rows that stay and those that are held out, each in the order of the file.

    Raises:
        ValueError: If there are not more usable battles than ``size``.
    """
    codes, groups = pd.factorize(np.array([_find_group(row) for row in raw_battles.to_dict(orient="records")], object))
    # Rows without a group have the code -1.
    sizes = np.bincount(codes[codes >= 0], minlength=len(groups))
    if sizes.sum() <= size:
        raise ValueError(
            f"download.hub.test_battles={size} leaves nothing to train on: there are {sizes.sum()} usable battles. "
            "Hold out fewer."
        )
    is_drawn, left = np.zeros(len(groups), dtype=bool), size
    for group in np.random.default_rng(seed).permutation(len(groups)):
        if sizes[group] <= left:
            is_drawn[group], left = True, left - sizes[group]
    is_held_out = (codes >= 0) & is_drawn[codes]
    return raw_battles[~is_held_out].reset_index(drop=True), raw_battles[is_held_out].reset_index(drop=True)


def _find_group(row: dict[str, str]) -> str | None:
    """Give the prompt group of a row as ingestion does, or None for a row that ingestion sets aside."""
    try:
        parse_id(row[ID])
        parse_label([row[column] for column in LABEL_COLUMNS])
        prompt, *_ = [parse_turns(row[column]) for column in TEXT_COLUMNS]
    except UnusableCellError:
        return None
    return prompt_group(prompt)


def _read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    needed = [name for name in columns if name not in MODEL_COLUMNS]
    dataset = RawCSVDataset(filepath=path.as_posix(), columns=needed, optional_columns=list(MODEL_COLUMNS))
    try:
        table = dataset.load()
    except DatasetError as error:
        # A cached file is not fetched again.
        path.unlink(missing_ok=True)
        raise DownloadError(
            f"What arrived is not the competition's {path.name}: {error} It was removed there. Start again; if it "
            "comes back like this, its publisher has changed it."
        ) from None
    return table[[name for name in columns if name in table]]


def _compare(path: Path, sha256: str, rows: int, options: DownloadConfig) -> None:
    """Refuse a training file of another length than is known, and warn of other content."""
    if options.train_rows not in (None, rows):
        raise DownloadError(
            f"{path} has {rows} battles, but {options.train_rows} are known: it is damaged or was changed by its "
            f"publisher. Remove it and start again, or take it as it is with --params=download.train_rows={rows}."
        )
    if options.train_sha256 not in (None, sha256):
        logger.warning(
            "train.csv has the SHA-256 %s, and %s is known. Its columns and its number of battles are right, so it is "
            "used; see whether its publisher says what was changed.",
            *(sha256, options.train_sha256),
        )
