"""A table in parts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kedro.io.core import DatasetError, Version

from arena_preference.battles import Battles
from arena_preference.datasets import ParquetDataset, PartitionedParquetDataset


def make_dataset(folder: Path, version: str = "1", **changes: object) -> PartitionedParquetDataset:
    options = {"partition_by": "prompt_group", "parts": 4, "key": "id"} | changes
    return PartitionedParquetDataset(
        filepath=str(folder / "battles.parquet"), version=Version(version, version), **options
    )


def test_it_gives_back_what_a_single_file_would(tmp_path: Path, battles: pd.DataFrame) -> None:
    dataset = make_dataset(tmp_path)
    dataset.save(battles)
    one_file = ParquetDataset(filepath=str(tmp_path / "one.parquet"))
    one_file.save(battles)
    pd.testing.assert_frame_equal(dataset.load(), one_file.load())
    Battles.validate(dataset.load())


def test_rows_come_in_the_order_of_the_key_whatever_they_were_saved_in(tmp_path: Path, battles: pd.DataFrame) -> None:
    dataset = make_dataset(tmp_path)
    dataset.save(battles.sample(frac=1, random_state=0))
    assert dataset.load()["id"].tolist() == battles["id"].tolist()


def test_a_prompt_group_lies_in_one_part_and_each_row_in_one(tmp_path: Path, battles: pd.DataFrame) -> None:
    dataset = make_dataset(tmp_path)
    dataset.save(battles)
    parts = dataset.list_parts()
    assert parts == [0, 1, 2, 3]
    tables = []
    for part in parts:
        dataset.select(part)
        tables.append(dataset.load())
    assert sum(map(len, tables)) == len(battles)
    groups = pd.concat([table.assign(part=part) for part, table in zip(parts, tables, strict=True)])
    assert groups["part"].groupby(groups["prompt_group"]).nunique().max() == 1
    # A group lies in the same part wherever and whenever it is saved.
    other = make_dataset(tmp_path / "other")
    other.save(battles[battles["prompt_group"] == "group-7"])
    assert other.list_parts() == groups.loc[groups["prompt_group"] == "group-7", "part"].unique().tolist()


def test_what_is_saved_part_by_part_appears_when_it_is_finished(tmp_path: Path, battles: pd.DataFrame) -> None:
    whole = make_dataset(tmp_path / "whole")
    whole.save(battles)
    parts = whole.list_parts()
    for part in parts:
        # As on workers: each has datasets of its own.
        read, written = make_dataset(tmp_path / "whole"), make_dataset(tmp_path / "parts", partition_by=None)
        read.select(part)
        written.select(part)
        written.save(read.load()[["id", "label"]])
        assert not written.exists()
    finished = make_dataset(tmp_path / "parts", partition_by=None)
    finished.finish(parts)
    finished.finish(parts)
    assert finished.exists()
    assert finished.list_parts() == parts
    pd.testing.assert_frame_equal(finished.load(), battles[["id", "label"]])


def test_a_part_without_rows_is_a_part_like_any_other(tmp_path: Path, battles: pd.DataFrame) -> None:
    for part, rows in ((0, battles[:3]), (2, battles[:0]), (1, battles[3:5])):
        written = make_dataset(tmp_path, partition_by=None)
        written.select(part)
        written.save(rows)
    finished = make_dataset(tmp_path, partition_by=None)
    finished.finish([0, 1, 2])
    pd.testing.assert_frame_equal(finished.load(), battles[:5])


def test_a_part_that_is_not_there_is_missed(tmp_path: Path, battles: pd.DataFrame) -> None:
    dataset = make_dataset(tmp_path, partition_by=None)
    dataset.select(0)
    dataset.save(battles)
    with pytest.raises(DatasetError, match=r"Of 2 files of .*, 1 are not there"):
        dataset.finish([0, 1])
    assert not dataset.exists()


def test_what_another_env_wrote_as_one_file_is_said(tmp_path: Path, battles: pd.DataFrame) -> None:
    one_file = ParquetDataset(filepath=str(tmp_path / "battles.parquet"), version=Version("1", "1"))
    one_file.save(battles)
    for ask in ("load", "list_parts"):
        with pytest.raises(DatasetError, match="is one file, so it was written in an env"):
            getattr(make_dataset(tmp_path), ask)()


def test_pieces_of_a_table_find_their_parts(tmp_path: Path, battles: pd.DataFrame) -> None:
    dataset = make_dataset(tmp_path)
    for piece in range(3):
        dataset.select(piece=piece)
        # A piece that is written twice, as after a worker has died, is there once.
        for _ in range(2):
            dataset.save(battles[piece * 80 : (piece + 1) * 80])
    dataset.finish()
    dataset = make_dataset(tmp_path)
    pd.testing.assert_frame_equal(dataset.load(), battles)
    whole = make_dataset(tmp_path / "whole")
    whole.save(battles)
    for one in (dataset, whole):
        one.select(2)
    pd.testing.assert_frame_equal(dataset.load(), whole.load())


def test_a_value_of_the_key_that_comes_twice_is_refused(tmp_path: Path, battles: pd.DataFrame) -> None:
    dataset = make_dataset(tmp_path)
    for piece, rows in enumerate((battles[:100], battles[99:])):
        dataset.select(piece=piece)
        dataset.save(rows)
    with pytest.raises(DatasetError, match=f"1 values of column id more than once, the first: {battles['id'][99]}"):
        dataset.finish()
    assert not dataset.exists()


def test_what_was_left_unfinished_is_no_part_of_what_is_saved_whole(tmp_path: Path, battles: pd.DataFrame) -> None:
    left = make_dataset(tmp_path)
    left.select(piece=1)
    left.save(battles)
    dataset = make_dataset(tmp_path)
    dataset.save(battles[:10])
    assert len(dataset.load()) == 10


def test_a_table_without_rows_keeps_its_columns(tmp_path: Path, battles: pd.DataFrame) -> None:
    dataset = make_dataset(tmp_path)
    dataset.save(battles[:0])
    assert dataset.load().columns.tolist() == battles.columns.tolist()
    assert dataset.list_parts() == [0]


def test_without_a_key_rows_come_in_the_order_of_the_parts(tmp_path: Path) -> None:
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


def test_what_is_not_there_or_damaged_is_said_with_its_place(tmp_path: Path, battles: pd.DataFrame) -> None:
    dataset = make_dataset(tmp_path)
    with pytest.raises(DatasetError, match=r"battles\.parquet is not there or not finished\. Run the pipeline"):
        dataset.load()
    with pytest.raises(DatasetError, match="Of 0 files of"):
        dataset.finish()
    dataset.save(battles)
    dataset.select(17)
    with pytest.raises(DatasetError, match="has no part 17"):
        dataset.load()
    dataset.select(0)
    (tmp_path / "battles.parquet/1/battles.parquet/00000-00000.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DatasetError, match=r"00000-00000\.parquet is damaged or is no Parquet file"):
        dataset.load()


@pytest.mark.parametrize(
    ("changes", "message"), [({"parts": 0}, "1 or more"), ({"version": None}, "versioned to true")]
)
def test_a_description_that_cannot_be_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    options = {"version": Version(None, "1"), "parts": 2} | changes
    with pytest.raises(DatasetError, match=message):
        PartitionedParquetDataset(filepath=str(tmp_path / "t.parquet"), **options)


def test_kedro_viz_can_show_its_first_rows(tmp_path: Path, battles: pd.DataFrame) -> None:
    dataset = make_dataset(tmp_path)
    dataset.save(battles)
    shown = dataset.preview(3)
    assert shown["columns"] == battles.columns.tolist()
    assert len(shown["data"]) == 3
    assert isinstance(shown["data"][0][1], list)


def test_arrays_in_cells_come_back(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": [1, 2], "words": [np.array([3, 4], dtype="int32"), np.array([], dtype="int32")]})
    dataset = make_dataset(tmp_path, partition_by=None)
    dataset.save(table)
    assert [cell.tolist() for cell in dataset.load()["words"]] == [[3, 4], []]
    assert dataset.load()["words"][0].dtype == np.int32


def test_it_works_on_other_filesystems(battles: pd.DataFrame) -> None:
    options = {"filepath": "memory://store/battles.parquet", "version": Version("1", "1"), "key": "id"}
    whole = PartitionedParquetDataset(partition_by="prompt_group", parts=4, **options)
    whole.save(battles)
    pd.testing.assert_frame_equal(whole.load(), battles)
    assert whole.exists()
    options["filepath"] = "memory://store/labels.parquet"
    for part in whole.list_parts():
        whole.select(part)
        written = PartitionedParquetDataset(**options)
        written.select(part)
        written.save(whole.load()[["id", "label"]])
    finished = PartitionedParquetDataset(**options)
    assert not finished.exists()
    finished.finish(whole.list_parts())
    pd.testing.assert_frame_equal(finished.load(), battles[["id", "label"]])
