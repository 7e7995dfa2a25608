"""Runs a node on some of the battles: on one part of partitioned tables, or on raw rows chunk by chunk."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

from kedro.io import MemoryDataset
from kedro.pipeline.node import Node
from kedro.runner.task import Task

from arena_preference.datasets import EmbeddingStoreDataset, PartitionedParquetDataset, RawCSVDataset

#: Nodes with this tag give, for each battle, rows that follow from its prompt group alone, which no part divides.
PER_BATTLE_TAG: Final = "per_battle"

# What they say of each node, they would say of each part.
_TALKATIVE: Final = ("kedro", "arena_preference.lineage")


def list_parts(task: Task) -> list[int]:
    """Give the parts that a node can be run on one by one.

    Returns:
        Numbers of parts; none where the node looks at battles together, where its tables are not partitioned or not in
        the same way, or where it writes what is no table and no store that grows.
    """
    if PER_BATTLE_TAG not in task.node.tags:
        return []
    outputs = [task.catalog.get(name) for name in task.node.outputs]
    if not all(isinstance(dataset, PartitionedParquetDataset | EmbeddingStoreDataset) for dataset in outputs):
        return []
    parts = [dataset.list_parts() for dataset in _find_partitioned(task, task.node.inputs)]
    return parts[0] if parts and all(other == parts[0] for other in parts) else []


def execute_part(task: Task, part: int, *, is_quiet: bool) -> None:
    """Run the node on one part; what it writes appears with ``finish_outputs``.

    Args:
        task: A copy of its own, which is changed.
        part: Number of the part.
        is_quiet: Whether to leave out what was said of another part already.
    """
    for dataset in _find_partitioned(task, [*task.node.inputs, *task.node.outputs]):
        dataset.select(part)
    with _at_level(logging.WARNING if is_quiet else logging.NOTSET):
        task.execute()


def find_chunked(task: Task) -> str | None:
    """Give the name of the raw table that the node can read chunk by chunk, if there is one."""
    if PER_BATTLE_TAG not in task.node.tags:
        return None
    outputs = [task.catalog.get(name) for name in task.node.outputs]
    if not all(isinstance(dataset, PartitionedParquetDataset) for dataset in outputs):
        return None
    raw = {name: task.catalog.get(name) for name in task.node.inputs}
    chunked = [name for name, data in raw.items() if isinstance(data, RawCSVDataset) and data.chunk_rows]
    return chunked[0] if chunked else None


def execute_in_chunks(task: Task) -> Node:
    """Run the node on chunk after chunk of its raw table, whose rows find their parts as they are written.

    Args:
        task: A copy of its own, which is changed.
    """
    name = str(find_chunked(task))
    raw = cast(RawCSVDataset, task.catalog.get(name))
    chunk = MemoryDataset(copy_mode="assign")
    # Kedro warns of what is meant here: a chunk takes the place of the whole.
    with _at_level(logging.ERROR):
        task.catalog[name] = chunk
    for number, rows in enumerate(raw.read_chunks()):
        chunk.save(rows)
        for dataset in _find_partitioned(task, task.node.outputs):
            dataset.select(piece=number)
        with _at_level(logging.WARNING if number else logging.NOTSET):
            task.execute()
    finish_outputs(task)
    return task.node


def finish_outputs(task: Task, parts: list[int] | None = None) -> None:
    """Make versions of what workers have written of these parts, or of what was written here."""
    for dataset in _find_partitioned(task, task.node.outputs):
        dataset.finish(parts)


def _find_partitioned(task: Task, names: list[str]) -> list[PartitionedParquetDataset]:
    datasets = [task.catalog.get(name) for name in names]
    return [dataset for dataset in datasets if isinstance(dataset, PartitionedParquetDataset)]


@contextmanager
def _at_level(level: int) -> Iterator[None]:
    """Let Kedro and the lineage say nothing below a level; NOTSET leaves it as it is."""
    levels = {name: logging.getLogger(name).level for name in _TALKATIVE}
    try:
        for name, own in levels.items():
            logging.getLogger(name).setLevel(max(own, level))
        yield
    finally:
        for name, own in levels.items():
            logging.getLogger(name).setLevel(own)
