"""A table in partitions."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kedro.io.core import DatasetError, Version
from kedro_datasets.pandas import ParquetDataset

from arena_preference.battles import Battles
from arena_preference.datasets import PartitionedParquetDataset


def make_dataset(folder: Path, version: str = "1", **changes: object) -> PartitionedParquetDataset:
    options = {"partition_by": "prompt_group", "n_partitions": 4, "key": "id"} | changes
    return PartitionedParquetDataset(
        filepath=str(folder / "battles.parquet"), version=Version(version, version), **options
    )


def test_it_loads_what_a_single_file_would(tmp_path: Path, battles: pd.DataFrame) -> None:
    dataset = make_dataset(tmp_path)
    dataset.save(battles)
    one_file = ParquetDataset(filepath=str(tmp_path / "one.parquet"))
    one_file.save(battles)
    pd.testing.assert_frame_equal(dataset.load(), one_file.load())
    Battles.validate(dataset.load())


def test_rows_are_loaded_in_the_order_of_the_key_in_whatever_order_they_are_saved(
    tmp_path: Path, battles: pd.DataFrame
) -> None:
    dataset = make_dataset(tmp_path)
    dataset.save(battles.sample(frac=1, random_state=0))
    assert dataset.load()["id"].tolist() == battles["id"].tolist()


def test_a_prompt_group_and_each_row_are_in_one_partition(tmp_path: Path, battles: pd.DataFrame) -> None:
    dataset = make_dataset(tmp_path)
    dataset.save(battles)
    partitions = dataset.list_partitions()
    assert partitions == [0, 1, 2, 3]
    tables = []
    for partition in partitions:
        dataset.select(partition)
        tables.append(dataset.load())
    assert sum(map(len, tables)) == len(battles)
    groups = pd.concat([table.assign(partition=partition) for partition, table in zip(partitions, tables, strict=True)])
    assert groups["partition"].groupby(groups["prompt_group"]).nunique().max() == 1
    # A group is in the same partition wherever and whenever it is saved.
    other = make_dataset(tmp_path / "other")
    other.save(battles[battles["prompt_group"] == "group-7"])
    assert other.list_partitions() == groups.loc[groups["prompt_group"] == "group-7", "partition"].unique().tolist()


def test_partitions_are_a_version_once_they_are_committed(tmp_path: Path, battles: pd.DataFrame) -> None:
    whole = make_dataset(tmp_path / "whole")
    whole.save(battles)
    partitions = whole.list_partitions()
    for partition in partitions:
        # Each worker has its own datasets.
        read, written = make_dataset(tmp_path / "whole"), make_dataset(tmp_path / "partitions", partition_by=None)
        read.select(partition)
        written.select(partition)
        written.save(read.load()[["id", "label"]])
        assert not written.exists()
    committed = make_dataset(tmp_path / "partitions", partition_by=None)
    committed.commit(partitions)
    committed.commit(partitions)
    assert committed.exists()
    assert committed.list_partitions() == partitions
    pd.testing.assert_frame_equal(committed.load(), battles[["id", "label"]])


def test_a_partition_may_have_no_rows(tmp_path: Path, battles: pd.DataFrame) -> None:
    for partition, rows in ((0, battles[:3]), (2, battles[:0]), (1, battles[3:5])):
        written = make_dataset(tmp_path, partition_by=None)
        written.select(partition)
        written.save(rows)
    committed = make_dataset(tmp_path, partition_by=None)
    committed.commit([0, 1, 2])
    pd.testing.assert_frame_equal(committed.load(), battles[:5])


def test_a_missing_partition_is_not_committed(tmp_path: Path, battles: pd.DataFrame) -> None:
    dataset = make_dataset(tmp_path, partition_by=None)
    dataset.select(0)
    dataset.save(battles)
    with pytest.raises(DatasetError, match=r"1 of 2 files"):
        dataset.commit([0, 1])
    assert not dataset.exists()


def test_a_single_file_of_another_env_is_rejected(tmp_path: Path, battles: pd.DataFrame) -> None:
    one_file = ParquetDataset(filepath=str(tmp_path / "battles.parquet"), version=Version("1", "1"))
    one_file.save(battles)
    for ask in ("load", "list_partitions"):
        with pytest.raises(DatasetError, match=r"battles\.parquet.* env"):
            getattr(make_dataset(tmp_path), ask)()


def test_rows_of_chunks_are_assigned_to_their_partitions(tmp_path: Path, battles: pd.DataFrame) -> None:
    dataset = make_dataset(tmp_path)
    for chunk in range(3):
        dataset.select(chunk=chunk)
        # A chunk that is written twice, as after a worker has died, counts once.
        for _ in range(2):
            dataset.save(battles[chunk * 80 : (chunk + 1) * 80])
    dataset.commit()
    dataset = make_dataset(tmp_path)
    pd.testing.assert_frame_equal(dataset.load(), battles)
    whole = make_dataset(tmp_path / "whole")
    whole.save(battles)
    for one in (dataset, whole):
        one.select(2)
    pd.testing.assert_frame_equal(dataset.load(), whole.load())


def test_a_repeated_value_of_the_key_is_not_committed(tmp_path: Path, battles: pd.DataFrame) -> None:
    dataset = make_dataset(tmp_path)
    for chunk, rows in enumerate((battles[:100], battles[99:])):
        dataset.select(chunk=chunk)
        dataset.save(rows)
    with pytest.raises(DatasetError, match=rf"1 values .*column id.* {battles['id'][99]}"):
        dataset.commit()
    assert not dataset.exists()


def test_uncommitted_files_are_not_part_of_a_saved_table(tmp_path: Path, battles: pd.DataFrame) -> None:
    left = make_dataset(tmp_path)
    left.select(chunk=1)
    left.save(battles)
    dataset = make_dataset(tmp_path)
    dataset.save(battles[:10])
    assert len(dataset.load()) == 10


def test_a_table_without_rows_keeps_its_columns(tmp_path: Path, battles: pd.DataFrame) -> None:
    dataset = make_dataset(tmp_path)
    dataset.save(battles[:0])
    assert dataset.load().columns.tolist() == battles.columns.tolist()
    assert dataset.list_partitions() == [0]


def test_without_a_key_rows_are_loaded_in_the_order_of_the_partitions(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, partition_by=None, key=None)
    table = pd.DataFrame({"reason": ["c", "a", "b"]})
    dataset.save(table)
    pd.testing.assert_frame_equal(dataset.load(), table)


def test_a_version_is_written_once(tmp_path: Path, battles: pd.DataFrame) -> None:
    make_dataset(tmp_path).save(battles)
    with pytest.raises(DatasetError, match="must not exist"):
        make_dataset(tmp_path).save(battles)
    newer = make_dataset(tmp_path, version="2")
    newer.save(battles[:5])
    assert (len(make_dataset(tmp_path).load()), len(newer.load())) == (240, 5)


def test_a_missing_or_corrupted_table_is_an_error_with_its_path(tmp_path: Path, battles: pd.DataFrame) -> None:
    dataset = make_dataset(tmp_path)
    with pytest.raises(DatasetError, match=r"battles\.parquet .*Run the pipeline"):
        dataset.load()
    with pytest.raises(DatasetError, match="0 of 0 files"):
        dataset.commit()
    dataset.save(battles)
    dataset.select(17)
    with pytest.raises(DatasetError, match="partition 17"):
        dataset.load()
    dataset.select(0)
    (tmp_path / "battles.parquet/1/battles.parquet/00000-00000.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DatasetError, match=r"00000-00000\.parquet .*Run the pipeline"):
        dataset.load()


@pytest.mark.parametrize(
    ("changes", "message"), [({"n_partitions": 0}, "n_partitions=0"), ({"version": None}, "versioned to true")]
)
def test_an_impossible_description_is_rejected(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    options = {"version": Version(None, "1"), "n_partitions": 2} | changes
    with pytest.raises(DatasetError, match=message):
        PartitionedParquetDataset(filepath=str(tmp_path / "t.parquet"), **options)


def test_its_preview_is_json(tmp_path: Path, battles: pd.DataFrame) -> None:
    dataset = make_dataset(tmp_path)
    dataset.save(battles)
    shown = dataset.preview(3)
    assert shown["columns"] == battles.columns.tolist()
    assert len(shown["data"]) == 3
    assert isinstance(shown["data"][0][shown["columns"].index("prompt")], list)


def test_arrays_in_cells_are_loaded_as_arrays(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": [1, 2], "words": [np.array([3, 4], dtype="int32"), np.array([], dtype="int32")]})
    dataset = make_dataset(tmp_path, partition_by=None)
    dataset.save(table)
    assert [cell.tolist() for cell in dataset.load()["words"]] == [[3, 4], []]
    assert dataset.load()["words"][0].dtype == np.int32


def test_it_works_on_other_filesystems(battles: pd.DataFrame) -> None:
    options = {"filepath": "memory://store/battles.parquet", "version": Version("1", "1"), "key": "id"}
    whole = PartitionedParquetDataset(partition_by="prompt_group", n_partitions=4, **options)
    whole.save(battles)
    pd.testing.assert_frame_equal(whole.load(), battles)
    assert whole.exists()
    options["filepath"] = "memory://store/labels.parquet"
    for partition in whole.list_partitions():
        whole.select(partition)
        written = PartitionedParquetDataset(**options)
        written.select(partition)
        written.save(whole.load()[["id", "label"]])
    committed = PartitionedParquetDataset(**options)
    assert not committed.exists()
    committed.commit(whole.list_partitions())
    pd.testing.assert_frame_equal(committed.load(), battles[["id", "label"]])
