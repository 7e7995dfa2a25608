"""Nodes of the pipeline ``ingestion`` that draw folds and a sample."""

import logging
import warnings
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.util import hash_array
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from arena_preference.battles import ID, LABEL_COLUMNS, MODEL_COLUMNS
from arena_preference.formats import FORMATS
from arena_preference.targets import SOFT_LABELS, read_targets

from .config import IngestionConfig
from .parsing import check_rejected, count_reasons

logger = logging.getLogger(__name__)

# The largest group that folds must not split, in sizes of a fold.
_LARGEST_GROUP: Final = 1.5


def assign_folds(
    battles: pd.DataFrame, rejected: pd.DataFrame, config: IngestionConfig, seed: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Labels of the training battles, with stratified folds, and a summary of what was read.

    Folds never split a prompt group, nor the battles that share a value of one of ``config.fold_groups``, as far as
    that leaves folds of similar size.

    Returns:
        Schema ``Labels``, and the summary: ``main_source``, ``fold_groups`` (the columns whose values folds do not
        split), and ``sources``, a list of mappings with ``source``, ``format``, ``voters``, ``battles``,
        ``rejected`` by reason, ``prompts``, and the numbers of labels ``a``, ``b`` and ``tie``.

    Raises:
        ValueError: If more of the rows were rejected than ``config.max_rejected``, all battles have the same label,
            there are fewer groups than folds, a class has fewer battles than there are folds, or two folds hold all
            battles of a class.
    """
    check_rejected(rejected, len(battles), config)
    n_splits, labels = config.n_splits, battles["label"].to_numpy()
    groups, group_columns = _group_battles(battles, config)
    table = _tabulate_labels(battles)
    # A soft label has several classes.
    has_class = read_targets(table) > 0
    classes, counts = np.flatnonzero(has_class.any(axis=0)), has_class.sum(axis=0)
    if len(classes) == 1:
        raise ValueError(
            f"All {len(battles)} training battles have the label {LABEL_COLUMNS[classes[0]]}, so there is nothing to "
            "learn. Add battles with other labels."
        )
    n_groups = len(np.unique(groups))
    if n_groups < n_splits:
        raise ValueError(
            f"{n_groups} prompt groups are too few for {n_splits} folds, which take whole groups. {_advise(n_groups)}"
        )
    rarest = classes[counts[classes].argmin()]
    if counts[rarest] < n_splits:
        raise ValueError(
            f"Only {counts[rarest]} training battles have the label {LABEL_COLUMNS[rarest]}; each of the {n_splits} "
            f"folds needs at least one. {_advise(counts[rarest])}"
        )
    splitter = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed)
    fold = np.empty(len(battles), dtype=np.int8)
    with warnings.catch_warnings():
        # A class that soft labels contain may rarely be the likeliest one.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for number, (_, held_out) in enumerate(splitter.split(battles, labels, groups)):
            fold[held_out] = number
    # Linear models are fitted on the battles outside each pair of folds.
    for pair in combinations(range(n_splits), 2):
        absent = np.setdiff1d(classes, np.flatnonzero(has_class[~np.isin(fold, pair)].any(axis=0)))
        if len(absent):
            raise ValueError(
                f"All battles with the label {LABEL_COLUMNS[absent[0]]} are in folds {pair[0]} and {pair[1]}, because "
                "they share prompt groups, so a model that is fitted outside of them could not learn it. Add battles "
                "or change seed."
            )
    return table.assign(fold=fold), {**_summarise(battles, rejected, config), "fold_groups": group_columns}


def sample_battles(battles: pd.DataFrame, config: IngestionConfig, seed: int) -> pd.DataFrame:
    """Training battles of a random sample of prompt groups, which transformers and projection are fitted on.

    Whether a group is drawn depends on its name and the seed alone, so partitions can be sampled one by one.
    """
    groups = battles["prompt_group"].to_numpy(dtype=object)
    chance = hash_array(groups, hash_key=f"{seed:016x}", categorize=False) / 2**64
    return battles[chance <= config.sample_fraction].reset_index(drop=True)


def _tabulate_labels(battles: pd.DataFrame) -> pd.DataFrame:
    """The columns of ``Labels`` but the fold."""
    models = [name for name in MODEL_COLUMNS if name in battles]
    table = battles[[ID, "source", "prompt_group", "label", *models]].assign(weight=1.0)
    table[SOFT_LABELS] = np.eye(len(LABEL_COLUMNS))[battles["label"]]
    for name in {"weight", *SOFT_LABELS} & set(battles):
        table[name] = battles[name].fillna(table[name])
    return table


def _group_battles(battles: pd.DataFrame, config: IngestionConfig) -> tuple[npt.NDArray[np.integer[Any]], list[str]]:
    """Number of the group of each battle that folds must not split, and the columns that connect battles.

    In some data common prompts connect most people, and folds could not be of similar size. Then the last of
    ``config.fold_groups`` is left out, with a warning.
    """
    names = ["prompt_group", *(name for name in config.fold_groups if name in battles)]
    while True:
        groups = _connect(battles, names)
        largest = np.bincount(groups).max()
        if len(names) == 1 or largest <= _LARGEST_GROUP * len(battles) / config.n_splits:
            return groups, names
        logger.warning(
            "%d of %d battles are connected by equal prompts, %s. Folds of similar size have to split what one %s "
            "voted on, so metrics may be better than for new people.",
            *(largest, len(battles), " and ".join(names[1:]), names[-1]),
        )
        names.pop()


def _connect(battles: pd.DataFrame, names: list[str]) -> npt.NDArray[np.integer[Any]]:
    """Number of the connected component of each battle, if equal values of a column connect battles."""
    members, keys, n_keys = [], [], 0
    for name in names:
        # People of different files are different people.
        values = battles[name] if name == "prompt_group" else battles["source"] + "/" + battles[name]
        codes = pd.factorize(values)[0]
        known = np.flatnonzero(codes >= 0)
        members.append(known)
        keys.append(codes[known] + n_keys)
        n_keys += codes.max() + 1
    row, column = np.concatenate(members), np.concatenate(keys)
    graph = coo_array((np.ones(len(row)), (row, column + len(battles))), shape=(len(battles) + n_keys,) * 2)
    components: npt.NDArray[np.integer[Any]] = connected_components(graph, directed=False)[1][: len(battles)]
    return components


def _summarise(battles: pd.DataFrame, rejected: pd.DataFrame, config: IngestionConfig) -> dict[str, Any]:
    sizes = battles["source"].value_counts()
    main_source = config.main_source or str(sizes.index[0])
    if main_source not in sizes:
        raise ValueError(f"ingestion.main_source={main_source} is none of the files: {', '.join(sorted(sizes.index))}.")
    if unknown := sorted(config.source_weights.keys() - set(sizes.index)):
        raise ValueError(
            f"ingestion.source_weights has {', '.join(unknown)}, but the files are: {', '.join(sorted(sizes.index))}."
        )
    sources = []
    for name, of_source in battles.groupby("source"):
        form = FORMATS[of_source["format"].iloc[0]]
        counts = np.bincount(of_source["label"], minlength=len(LABEL_COLUMNS)).tolist()
        sources.append(
            {
                "source": name,
                "format": form.name,
                "voters": form.voters,
                "battles": len(of_source),
                "rejected": count_reasons(rejected[rejected["source"] == name]),
                "prompts": int(of_source["prompt_group"].nunique()),
                **dict(zip(("a", "b", "tie"), counts, strict=True)),
            }
        )
        logger.info(
            "%s: %d battles, A %d, B %d, tie %d, %d prompts", name, len(of_source), *counts, sources[-1]["prompts"]
        )
    return {"main_source": main_source, "sources": sources}


def _advise(possible: int) -> str:
    lower = f" or set ingestion.n_splits to {possible}" if possible >= 3 else ""
    return f"Add battles{lower}."
