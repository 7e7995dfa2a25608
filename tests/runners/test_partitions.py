"""Nodes that are run on partitions or chunks of the battles."""

import logging
from copy import deepcopy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, DatasetError
from kedro.pipeline import node
from kedro.pipeline.node import Node
from kedro.runner.task import Task

from arena_preference.datasets import RawTable
from arena_preference.pipelines import embedding, features, finetuning, ingestion, modelling
from arena_preference.runners.dask_runner import GPU_TAG
from arena_preference.runners.partitions import (
    PER_BATTLE_TAG,
    commit_outputs,
    execute_in_chunks,
    execute_partition,
    find_chunked,
    list_partitions,
)

PARTITIONED = "arena_preference.datasets.PartitionedParquetDataset"


def measure(battles: pd.DataFrame) -> pd.DataFrame:
    return battles[["id"]].assign(length=battles["response_a"].map(len))


def fail(battles: pd.DataFrame) -> pd.DataFrame:
    raise ArithmeticError(len(battles))


def parse(tables: list[RawTable]) -> tuple[pd.DataFrame, pd.DataFrame]:
    raw = pd.DataFrame([row for table in tables for row in table.rows])
    numbers = raw["id"].astype(int)
    return raw.assign(id=numbers)[numbers < 90], raw[numbers >= 90].reset_index(drop=True)


@pytest.fixture
def catalog(tmp_path: Path, battles: pd.DataFrame) -> DataCatalog:
    def table(name: str, **options: Any) -> dict[str, Any]:
        return {"type": PARTITIONED, "filepath": f"{tmp_path}/{name}", "versioned": True, "key": "id", **options}

    catalog = DataCatalog.from_config(
        {
            "battles": table("battles", partition_by="prompt_group", n_partitions=5),
            "other": table("other", partition_by="prompt_group", n_partitions=3),
            "lengths": table("lengths"),
            "more_lengths": table("more_lengths"),
            "one_file": {"type": "pandas.ParquetDataset", "filepath": f"{tmp_path}/one.parquet"},
            "store": {"type": "arena_preference.datasets.EmbeddingStoreDataset", "filepath": f"{tmp_path}/store"},
            "raw": {
                "type": "arena_preference.datasets.RawTablesDataset",
                "filepath": f"{tmp_path}/raw",
                "chunk_rows": 30,
            },
            "raw_at_once": {
                "type": "arena_preference.datasets.RawTablesDataset",
                "filepath": f"{tmp_path}/raw",
            },
            "parsed": table("parsed", partition_by="group", n_partitions=4),
            "rejected": {"type": PARTITIONED, "filepath": f"{tmp_path}/rejected", "versioned": True},
        },
        load_versions=dict.fromkeys(["battles", "other", "lengths", "more_lengths", "parsed", "rejected"], "1"),
        save_version="1",
    )
    catalog.save("battles", battles)
    catalog.save("other", battles)
    catalog.save("one_file", battles)
    rows = pd.DataFrame({"id": range(100), "group": [f"g{number % 10}" for number in range(100)]})
    rows.to_csv(tmp_path / "raw.csv", index=False)
    return catalog


def send(of: Node, catalog: DataCatalog) -> Task:
    """Return a task with a catalog of its own, as a worker receives it."""
    task = Task(of, deepcopy(catalog), is_async=False, run_id="1")
    task.hook_manager = _create_hook_manager()
    return task


@pytest.mark.parametrize(
    ("inputs", "outputs", "tags", "partitions"),
    [
        (["battles"], "lengths", "per_battle", [0, 1, 2, 3, 4]),
        (["battles", "one_file"], "store", ["per_battle", "gpu"], [0, 1, 2, 3, 4]),
        (["battles"], "lengths", None, []),
        (["one_file"], "lengths", "per_battle", []),
        (["battles"], "one_file", "per_battle", []),
        (["battles", "other"], "lengths", "per_battle", []),
    ],
)
def test_a_tagged_node_is_run_by_partition_if_its_tables_have_the_same_ones(
    catalog: DataCatalog, inputs: list[str], outputs: str, tags: Any, partitions: list[int]
) -> None:
    assert list_partitions(send(node(max, inputs, outputs, name="some", tags=tags), catalog)) == partitions


def test_partitions_produce_the_table_of_an_unpartitioned_run(
    catalog: DataCatalog, battles: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    measuring = node(measure, "battles", "lengths", name="measure", tags="per_battle")
    with caplog.at_level(logging.INFO, "kedro"):
        for position, partition in enumerate((3, 0, 4, 1, 2)):
            execute_partition(send(measuring, catalog), partition, is_quiet=position > 0)
            assert not catalog.exists("lengths")
    commit_outputs(send(measuring, catalog), [0, 1, 2, 3, 4])
    pd.testing.assert_frame_equal(catalog.load("lengths"), measure(battles))
    # A table that is computed from it has its partitions.
    assert list_partitions(send(node(max, ["battles", "lengths"], "more_lengths", tags="per_battle"), catalog)) == [
        *range(5)
    ]
    assert caplog.text.count("Running node: measure") == 1


def test_a_partition_that_fails_leaves_no_table(catalog: DataCatalog) -> None:
    failing = node(fail, "battles", "lengths", name="fail", tags="per_battle")
    execute_partition(send(node(measure, "battles", "lengths", tags="per_battle"), catalog), 0, is_quiet=True)
    with pytest.raises(ArithmeticError):
        execute_partition(send(failing, catalog), 1, is_quiet=True)
    with pytest.raises(DatasetError, match="4 of 5 files"):
        commit_outputs(send(failing, catalog), [0, 1, 2, 3, 4])
    assert not catalog.exists("lengths")


def test_raw_rows_are_read_in_chunks_and_assigned_to_partitions(
    catalog: DataCatalog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parsing = node(parse, "raw", ["parsed", "rejected"], name="parse", tags="per_battle")
    task = send(parsing, catalog)
    name, raw = find_chunked(task)
    assert name == "raw"
    with caplog.at_level(logging.INFO, "kedro"):
        execute_in_chunks(task, name, raw)
    parsed, rejected = catalog.load("parsed"), catalog.load("rejected")
    assert parsed["id"].tolist() == list(range(90))
    assert rejected["id"].tolist() == [str(number) for number in range(90, 100)]
    partitions = catalog.get("parsed").list_partitions()
    assert 1 < len(partitions) <= 4
    assert caplog.text.count("Running node: parse") == 1
    assert "Replacing" not in caplog.text
    # 30, 30 and 40 rows: the last ten are not a chunk of their own.
    chunks = {path.name[6:11] for path in (tmp_path / "parsed/1/parsed").glob("*.parquet")}
    assert chunks == {"00000", "00001", "00002"}


@pytest.mark.parametrize(
    ("raw", "outputs", "tags"),
    [
        ("raw_at_once", ["parsed", "rejected"], "per_battle"),
        ("raw", ["parsed", "rejected"], None),
        ("raw", ["one_file", "rejected"], "per_battle"),
    ],
)
def test_raw_rows_are_read_at_once_where_chunks_are_not_possible(
    catalog: DataCatalog, raw: str, outputs: list[str], tags: str | None
) -> None:
    assert find_chunked(send(node(parse, raw, outputs, tags=tags), catalog)) is None


def test_the_pipelines_use_the_tags_of_the_runner() -> None:
    stages = (ingestion, features, embedding, finetuning, modelling)
    tags = {tag for stage in stages for each in stage.create_pipeline().nodes for tag in each.tags}
    assert tags - {"train", "test"} == {GPU_TAG, PER_BATTLE_TAG}
