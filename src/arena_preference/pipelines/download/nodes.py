"""Nodes of the pipeline ``download``."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from kedro.io import DatasetError

from arena_preference.battles import ID, LABEL_COLUMNS, MODEL_COLUMNS, TEXT_COLUMNS, prompt_group
from arena_preference.datasets import RawTablesDataset
from arena_preference.formats import FORMATS, UnusableRowError, read_as_text

from .clients import DownloadError, fetch_from_hub, fetch_from_kaggle, hash_file
from .config import COMPETITION, DownloadConfig
from .further import fetch_further, select_further

logger = logging.getLogger(__name__)

_TRAIN, _TEST = "train.csv", "test.csv"
_TRAIN_COLUMNS: Final = (ID, *MODEL_COLUMNS, *TEXT_COLUMNS, *LABEL_COLUMNS)
_TEST_COLUMNS: Final = (ID, *TEXT_COLUMNS)
_LABEL_FILE_COLUMNS: Final = (ID, *LABEL_COLUMNS)


def download_battles(
    config: DownloadConfig, seed: int
) -> tuple[
    pd.DataFrame | Mapping[str, pd.DataFrame | pa.RecordBatchReader], pd.DataFrame, pd.DataFrame, dict[str, Any]
]:
    """The competition's battles, fetched from the Hub or from Kaggle, and further ones to train on from the Hub.

    Kaggle has a training and a test file. The Hub has only the training file; some of its prompt groups are held out
    as the test file, and the labels of these battles are returned separately. Of further battles, those with a prompt
    of the test file are left out.

    Args:
        config: Parameters ``download``.
        seed: The project's seed, which draws the battles that are held out.

    Returns:
        Training battles and test battles, text columns as in the files; the labels of the test battles (columns id
        and the three winners, no rows if they are not known); and a summary: source, name and SHA-256 of the files,
        and numbers of rows. With further battles, the training battles are several tables by the names of their files.

    Raises:
        DownloadError: If a file cannot be fetched, is not a CSV with the competition's columns, or does not have the
            expected number of battles.
        ValueError: If more battles are to be held out than there are.
    """
    if config.source == "kaggle":
        name, fetched = config.competition, (_TRAIN, _TEST)
        files = {file: fetch_from_kaggle(config.competition, file) for file in fetched}
    else:
        name = f"{config.hub.dataset}@{config.hub.revision}"
        files = {_TRAIN: fetch_from_hub(config.hub, _TRAIN)}
    further = {also: fetch_further(config.datasets[also]) for also in config.also}
    battles = _read(files[_TRAIN], _TRAIN_COLUMNS)
    hashes = {file: hash_file(path) for file, path in files.items()}
    _compare(files[_TRAIN], hashes[_TRAIN], len(battles), config)
    if config.source == "kaggle":
        train, test, labels = battles, _read(files[_TEST], _TEST_COLUMNS), battles.head(0)
    else:
        train, held_out = hold_out_groups(battles, config.hub.test_battles, seed)
        test, labels = held_out[list(_TEST_COLUMNS)], held_out
    labels = labels[list(_LABEL_FILE_COLUMNS)]
    rows = {"train": len(train), "test": len(test), "test_labels": len(labels)}
    logger.info("%s: %d battles to train on, %d to predict", name, rows["train"], rows["test"])
    summary = {"source": config.source, "name": name, "sha256": hashes, "rows": rows}
    if not further:
        return train, test, labels, summary
    held_out_groups = {prompt_group(read_as_text(cell)) for cell in test["prompt"]}
    main_file, summaries = f"{COMPETITION}.csv", {}
    tables: dict[str, pd.DataFrame | pa.RecordBatchReader] = {main_file: train}
    for also, found in further.items():
        tables[f"{also}.parquet"], summaries[also] = select_further(also, found, held_out_groups)
    logger.info(
        "Battles to predict are like those of %s. For metrics of these, run with --params=ingestion.main_source=%s.",
        *(main_file, main_file),
    )
    return tables, test, labels, {**summary, "also": summaries}


def hold_out_groups(raw_battles: pd.DataFrame, size: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training rows and held-out rows, the latter whole prompt groups drawn at random.

    A row that ingestion would reject is never held out, because it could not be evaluated.

    Args:
        raw_battles: Text columns as in the competition's train.csv.
        size: Number of battles to hold out; a few less if no further group fits.
        seed: The project's seed.

    Returns:
        Both in the order of the file.

    Raises:
        ValueError: If there are not more usable battles than ``size``.
    """
    codes, groups = pd.factorize(np.array([_find_group(row) for row in raw_battles.to_dict(orient="records")], object))
    # Rows without a group have the code -1.
    sizes = np.bincount(codes[codes >= 0], minlength=len(groups))
    if sizes.sum() <= size:
        raise ValueError(
            f"download.hub.test_battles={size} leaves nothing to train on, because there are {sizes.sum()} usable "
            "battles. Hold out fewer."
        )
    is_drawn, left = np.zeros(len(groups), dtype=bool), size
    for group in np.random.default_rng(seed).permutation(len(groups)):
        if sizes[group] <= left:
            is_drawn[group], left = True, left - sizes[group]
    is_held_out = (codes >= 0) & is_drawn[codes]
    return raw_battles[~is_held_out].reset_index(drop=True), raw_battles[is_held_out].reset_index(drop=True)


def _find_group(row: dict[str, str]) -> str | None:
    """Prompt group of a row, or None for a row that ingestion would reject."""
    try:
        (battle,) = FORMATS["competition"].parse(row)
    except UnusableRowError:
        return None
    return prompt_group(battle["prompt"]) if battle[ID] and battle["label"] else None


def _read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    needed = [name for name in columns if name not in MODEL_COLUMNS]
    try:
        (table,) = RawTablesDataset(filepath=path.as_posix(), columns=needed).load()
    except DatasetError as error:
        # A cached file is not fetched again.
        path.unlink(missing_ok=True)
        raise DownloadError(
            f"The downloaded file is not the competition's {path.name}: {error} It was removed from the cache. Start "
            "again; if the error stays, its publisher has changed the file."
        ) from None
    return pd.DataFrame(table.rows)[[name for name in columns if name in table.rows[0]]]


def _compare(path: Path, sha256: str, rows: int, config: DownloadConfig) -> None:
    """Reject a training file with another number of battles than expected, and warn of other content."""
    if config.train_rows not in (None, rows):
        raise DownloadError(
            f"{path} has {rows} battles, but {config.train_rows} are expected: it is corrupted or its publisher has "
            f"changed it. Remove it and start again, or accept it with --params=download.train_rows={rows}."
        )
    if config.train_sha256 not in (None, sha256):
        logger.warning(
            "train.csv has the SHA-256 %s, but %s is expected. Its columns and number of battles are right, so it is "
            "used; its publisher may say what has changed.",
            *(sha256, config.train_sha256),
        )
