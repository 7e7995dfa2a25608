"""Nodes of the pipeline ``download``."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit

from arena_preference.battles import ID, LABEL_COLUMNS, MODEL_COLUMNS, TEXT_COLUMNS, prompt_group
from arena_preference.datasets import RawCSVDataset

from .clients import fetch_from_hub, fetch_from_kaggle
from .options import DownloadOptions

logger = logging.getLogger(__name__)

_TRAIN_COLUMNS: Final = [ID, *TEXT_COLUMNS, *LABEL_COLUMNS]
_TEST_COLUMNS: Final = [ID, *TEXT_COLUMNS]
_TRAIN, _TEST = "train.csv", "test.csv"


def download_battles(
    options: DownloadOptions, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Fetch the competition's battles.

    Kaggle has a training and a test file. The Hub has the training file alone; a part of its prompt groups is held out
    as the test file, and the verdicts of these battles are given apart.

    Args:
        options: Parameters ``download``.
        seed: The project's seed, which draws the battles that are held out.

    Returns:
        The training battles and the test battles, text columns as in the files; the verdicts of the test battles
        (columns id and the three winners, no rows where they are not known); and a summary: source, name and SHA-256
        of the files, and rows.

    Raises:
        DownloadError: If a file cannot be fetched.
        DatasetError: If a file is no CSV with the competition's columns.
    """
    if options.source == "kaggle":
        files = {name: fetch_from_kaggle(options.competition, name) for name in (_TRAIN, _TEST)}
        train = _read(files[_TRAIN], _TRAIN_COLUMNS)
        test, labels = _read(files[_TEST], _TEST_COLUMNS), train.loc[:-1, [ID, *LABEL_COLUMNS]].head(0)
        name = options.competition
    else:
        files = {_TRAIN: fetch_from_hub(options.hub, _TRAIN)}
        whole = _read(files[_TRAIN], _TRAIN_COLUMNS)
        train, test, labels = _hold_out(whole, options.hub.test_share, seed)
        name = options.hub.dataset
    hashes = {name: _hash(path) for name, path in files.items()}
    _compare(hashes[_TRAIN], len(train) + len(labels), options)
    rows = {"train": len(train), "test": len(test), "test_labels": len(labels)}
    logger.info("%s: %d battles to train on, %d to predict", name, rows["train"], rows["test"])
    return train, test, labels, {"source": options.source, "name": name, "sha256": hashes, "rows": rows}


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    dataset = RawCSVDataset(filepath=str(path), columns=columns, optional_columns=list(MODEL_COLUMNS))
    table: pd.DataFrame = dataset.load()
    return table


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _compare(sha256: str, rows: int, options: DownloadOptions) -> None:
    """Warn of a training file that is not the known one: it may be a newer one, and it may be a wrong one."""
    if options.train_rows not in (None, rows):
        logger.warning("train.csv has %d battles, and not %d. Is it the right file?", rows, options.train_rows)
    if options.train_sha256 and not sha256.startswith(options.train_sha256.lower()):
        logger.warning(
            "train.csv has the SHA-256 %s, and the known one begins with %s. Its content was changed; see whether its "
            "source says why.",
            *(sha256, options.train_sha256),
        )


def _hold_out(battles: pd.DataFrame, share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    groups = [_group(cell) for cell in battles["prompt"]]
    splitter = GroupShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    kept, held_out = map(np.sort, next(splitter.split(battles, groups=groups)))
    test = battles.iloc[held_out]
    return (
        battles.iloc[kept].reset_index(drop=True),
        test[_TEST_COLUMNS].reset_index(drop=True),
        test[[ID, *LABEL_COLUMNS]].reset_index(drop=True),
    )


def _group(cell: str) -> str:
    """Give the prompt group of a cell; what is not a list of turns is a group by its text, and ingestion's to judge."""
    try:
        return prompt_group(json.loads(cell, strict=False))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return prompt_group([cell])
