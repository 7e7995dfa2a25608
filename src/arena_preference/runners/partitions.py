"""Runs nodes partition by partition, or chunk by chunk of a raw table."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from kedro.io import MemoryDataset
from kedro.runner.task import Task

from arena_preference.datasets import EmbeddingStoreDataset, PartitionedParquetDataset, RawTablesDataset

#: Tag of nodes whose rows for a battle depend on its prompt group alone, which is always in one partition.
PER_BATTLE_TAG: Final = "per_battle"

# Loggers that would repeat their lines for each partition.
_LOGGERS: Final = ("kedro", "arena_preference.lineage")


def list_partitions(task: Task) -> list[int]:
    """Return the partitions that a node can be run on one by one.

    There are none if the node lacks the tag, if its tables are not partitioned in the same way, or if an output is
    neither a partitioned table nor an embedding store.
    """
    if not _is_per_battle(task, PartitionedParquetDataset | EmbeddingStoreDataset):
        return []
    partitions = [dataset.list_partitions() for dataset in _find_partitioned(task, task.node.inputs)]
    return partitions[0] if partitions and all(other == partitions[0] for other in partitions) else []


def execute_partition(task: Task, partition: int, *, is_quiet: bool) -> None:
    """Run the node on one partition, which ``commit_outputs`` makes part of a version.

    Args:
        task: The worker's own copy, which is changed.
        partition: Number of the partition.
        is_quiet: Whether to suppress the log lines that are the same for every partition.
    """
    for dataset in _find_partitioned(task, [*task.node.inputs, *task.node.outputs]):
        dataset.select(partition)
    with _at_level(logging.WARNING if is_quiet else logging.NOTSET):
        task.execute()


def find_chunked(task: Task) -> tuple[str, RawTablesDataset] | None:
    """Return the name and dataset of the raw table that the node can read chunk by chunk, or None."""
    if _is_per_battle(task, PartitionedParquetDataset):
        for name in task.node.inputs:
            dataset = task.catalog.get(name)
            if isinstance(dataset, RawTablesDataset) and dataset.chunk_rows:
                return name, dataset
    return None


def execute_in_chunks(task: Task, name: str, raw: RawTablesDataset) -> None:
    """Run the node on each chunk of its raw table, the result of ``find_chunked``; ``task`` is changed."""
    chunk = MemoryDataset(copy_mode="assign")
    # Kedro warns that a dataset is replaced.
    with _at_level(logging.ERROR):
        task.catalog[name] = chunk
    for number, rows in enumerate(raw.read_chunks()):
        chunk.save(rows)
        for dataset in _find_partitioned(task, task.node.outputs):
            dataset.select(chunk=number)
        with _at_level(logging.WARNING if number else logging.NOTSET):
            task.execute()
    commit_outputs(task)


def commit_outputs(task: Task, partitions: list[int] | None = None) -> None:
    """Make versions of the partitions that workers saved, or of what was saved in this process."""
    for dataset in _find_partitioned(task, task.node.outputs):
        dataset.commit(partitions)


def _is_per_battle(task: Task, types: Any) -> bool:
    outputs = [task.catalog.get(name) for name in task.node.outputs]
    return PER_BATTLE_TAG in task.node.tags and all(isinstance(dataset, types) for dataset in outputs)


def _find_partitioned(task: Task, names: list[str]) -> list[PartitionedParquetDataset]:
    datasets = [task.catalog.get(name) for name in names]
    return [dataset for dataset in datasets if isinstance(dataset, PartitionedParquetDataset)]


@contextmanager
def _at_level(level: int) -> Iterator[None]:
    """Raise the level of Kedro's and the lineage's loggers; NOTSET leaves them as they are."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    try:
        for name, own in levels.items():
            logging.getLogger(name).setLevel(max(own, level))
        yield
    finally:
        for name, own in levels.items():
            logging.getLogger(name).setLevel(own)
