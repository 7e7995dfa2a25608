"""Which nodes are run on parts of the battles, and how."""

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

from arena_preference.pipelines import embedding, features, finetuning, ingestion, modelling
from arena_preference.runners.dask_runner import GPU_TAG
from arena_preference.runners.partitions import (
    PER_BATTLE_TAG,
    execute_in_chunks,
    execute_part,
    find_chunked,
    finish_outputs,
    list_parts,
)

PARTITIONED = "arena_preference.datasets.PartitionedParquetDataset"


def measure(battles: pd.DataFrame) -> pd.DataFrame:
    return battles[["id"]].assign(length=battles["response_a"].map(len))


def fail(battles: pd.DataFrame) -> pd.DataFrame:
    raise ArithmeticError(len(battles))


def parse(raw: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    numbers = raw["id"].astype(int)
    return raw.assign(id=numbers)[numbers < 90], raw[numbers >= 90].reset_index(drop=True)


@pytest.fixture
def catalog(tmp_path: Path, battles: pd.DataFrame) -> DataCatalog:
    def table(name: str, **options: Any) -> dict[str, Any]:
        return {"type": PARTITIONED, "filepath": f"{tmp_path}/{name}", "versioned": True, "key": "id", **options}

    catalog = DataCatalog.from_config(
        {
            "battles": table("battles", partition_by="prompt_group", parts=5),
            "otherwise": table("otherwise", partition_by="prompt_group", parts=3),
            "lengths": table("lengths"),
            "more_lengths": table("more_lengths"),
            "one_file": {"type": "arena_preference.datasets.ParquetDataset", "filepath": f"{tmp_path}/one.parquet"},
            "store": {"type": "arena_preference.datasets.EmbeddingStoreDataset", "filepath": f"{tmp_path}/store"},
            "raw": {
                "type": "arena_preference.datasets.RawCSVDataset",
                "filepath": f"{tmp_path}/raw.csv",
                "columns": ["id", "group"],
                "chunk_rows": 30,
            },
            "raw_at_once": {
                "type": "arena_preference.datasets.RawCSVDataset",
                "filepath": f"{tmp_path}/raw.csv",
                "columns": ["id", "group"],
            },
            "parsed": table("parsed", partition_by="group", parts=4),
            "rejected": {"type": PARTITIONED, "filepath": f"{tmp_path}/rejected", "versioned": True},
        },
        load_versions=dict.fromkeys(["battles", "otherwise", "lengths", "more_lengths", "parsed", "rejected"], "1"),
        save_version="1",
    )
    catalog.save("battles", battles)
    catalog.save("otherwise", battles)
    catalog.save("one_file", battles)
    rows = pd.DataFrame({"id": range(100), "group": [f"g{number % 10}" for number in range(100)]})
    rows.to_csv(tmp_path / "raw.csv", index=False)
    return catalog


def send(of: Node, catalog: DataCatalog) -> Task:
    """Make a task with a catalog of its own, as one that came to a worker."""
    task = Task(of, deepcopy(catalog), is_async=False, run_id="1")
    task.hook_manager = _create_hook_manager()
    return task


@pytest.mark.parametrize(
    ("inputs", "outputs", "tags", "parts"),
    [
        (["battles"], "lengths", "per_battle", [0, 1, 2, 3, 4]),
        (["battles", "one_file"], "store", ["per_battle", "gpu"], [0, 1, 2, 3, 4]),
        (["battles"], "lengths", None, []),
        (["one_file"], "lengths", "per_battle", []),
        (["battles"], "one_file", "per_battle", []),
        (["battles", "otherwise"], "lengths", "per_battle", []),
    ],
)
def test_a_node_is_run_on_parts_where_it_may_and_its_tables_have_the_same_ones(
    catalog: DataCatalog, inputs: list[str], outputs: str, tags: Any, parts: list[int]
) -> None:
    assert list_parts(send(node(max, inputs, outputs, name="some", tags=tags), catalog)) == parts


def test_parts_make_what_the_whole_would(
    catalog: DataCatalog, battles: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    of_parts = node(measure, "battles", "lengths", name="measure", tags="per_battle")
    with caplog.at_level(logging.INFO, "kedro"):
        for place, part in enumerate((3, 0, 4, 1, 2)):
            execute_part(send(of_parts, catalog), part, is_quiet=place > 0)
            assert not catalog.exists("lengths")
    finish_outputs(send(of_parts, catalog), [0, 1, 2, 3, 4])
    pd.testing.assert_frame_equal(catalog.load("lengths"), measure(battles))
    # What is made of it has its parts.
    assert list_parts(send(node(max, ["battles", "lengths"], "more_lengths", tags="per_battle"), catalog)) == [
        *range(5)
    ]
    assert caplog.text.count("Running node: measure") == 1


def test_a_part_that_fails_leaves_no_table(catalog: DataCatalog) -> None:
    failing = node(fail, "battles", "lengths", name="fail", tags="per_battle")
    execute_part(send(node(measure, "battles", "lengths", tags="per_battle"), catalog), 0, is_quiet=True)
    with pytest.raises(ArithmeticError):
        execute_part(send(failing, catalog), 1, is_quiet=True)
    with pytest.raises(DatasetError, match="4 are not there"):
        finish_outputs(send(failing, catalog), [0, 1, 2, 3, 4])
    assert not catalog.exists("lengths")


def test_raw_rows_are_read_in_chunks_and_find_their_parts(
    catalog: DataCatalog, caplog: pytest.LogCaptureFixture
) -> None:
    parsing = node(parse, "raw", ["parsed", "rejected"], name="parse", tags="per_battle")
    assert find_chunked(send(parsing, catalog)) == "raw"
    with caplog.at_level(logging.INFO, "kedro"):
        assert execute_in_chunks(send(parsing, catalog)).name == "parse"
    parsed, rejected = catalog.load("parsed"), catalog.load("rejected")
    assert parsed["id"].tolist() == list(range(90))
    assert rejected["id"].tolist() == [str(number) for number in range(90, 100)]
    parts = catalog.get("parsed").list_parts()
    assert 1 < len(parts) <= 4
    assert caplog.text.count("Running node: parse") == 1
    assert "Replacing" not in caplog.text
    # 30, 30 and 40 rows: the last ten are no chunk of their own.
    pieces = {path.name[6:11] for path in Path(catalog.get("parsed")._locate_loaded()).glob("*.parquet")}
    assert pieces == {"00000", "00001", "00002"}


@pytest.mark.parametrize(
    ("raw", "outputs", "tags"),
    [
        ("raw_at_once", ["parsed", "rejected"], "per_battle"),
        ("raw", ["parsed", "rejected"], None),
        ("raw", ["one_file", "rejected"], "per_battle"),
    ],
)
def test_raw_rows_are_read_at_once_where_nothing_asks_for_chunks(
    catalog: DataCatalog, raw: str, outputs: list[str], tags: str | None
) -> None:
    assert find_chunked(send(node(parse, raw, outputs, tags=tags), catalog)) is None


def test_the_pipelines_name_both_tags_as_the_runner_does() -> None:
    pipelines = [
        of.create_pipeline(split) for of in (ingestion, features, embedding, modelling) for split in ("train", "test")
    ]
    tags = {tag for each in [*pipelines, finetuning.create_pipeline("test")] for of in each.nodes for tag in of.tags}
    assert tags == {GPU_TAG, PER_BATTLE_TAG}
