from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kedro.io import DatasetError

from arena_preference.datasets import MarkedTablesDataset

CSV = pd.DataFrame({"id": [1, 2]})
ROWS = pa.table({"id": [3, 4, 5], "turns": [["a"], [], None]})


def make_dataset(folder: Path) -> MarkedTablesDataset:
    return MarkedTablesDataset(filepath=(folder / "train.csv").as_posix(), marker="download.json")


def make_tables() -> dict[str, pd.DataFrame | pa.RecordBatchReader]:
    return {"own.csv": CSV, "more.parquet": ROWS.to_reader(max_chunksize=2)}


def list_files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_one_table_is_a_csv(tmp_path: Path) -> None:
    make_dataset(tmp_path).save(CSV)
    assert list_files(tmp_path) == ["download.json", "train.csv"]


def test_several_tables_are_files_in_a_folder_and_may_be_written_again(tmp_path: Path) -> None:
    for _ in range(2):
        make_dataset(tmp_path).save(make_tables())
    assert list_files(tmp_path) == ["download.json", "train/more.parquet", "train/own.csv"]
    assert (tmp_path / "train/own.csv").read_bytes() == b"id\n1\n2\n"
    assert pq.read_table(tmp_path / "train/more.parquet").equals(ROWS)


def test_an_interrupted_save_leaves_no_half_file_and_can_be_repeated(tmp_path: Path) -> None:
    def stop() -> None:
        yield ROWS.to_batches()[0]
        raise OSError("disk full")

    with pytest.raises(DatasetError, match="disk full"):
        make_dataset(tmp_path).save(
            {"own.csv": CSV, "more.parquet": pa.RecordBatchReader.from_batches(ROWS.schema, stop())}
        )
    assert list_files(tmp_path) == ["download.json", "train/own.csv"]
    # What a killed process leaves.
    (tmp_path / "train" / "more.parquet.0.tmp").touch()
    make_dataset(tmp_path).save(make_tables())
    assert (tmp_path / "train/more.parquet").is_file()


def test_a_users_folder_is_rejected_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "own.csv").write_text("theirs")
    for data in (CSV, make_tables()):
        with pytest.raises(DatasetError, match=r"holds train but no download\.json.*--params=raw_dir=DIR"):
            make_dataset(tmp_path).save(data)
    assert list_files(tmp_path) == ["train/own.csv"]
    assert (tmp_path / "train/own.csv").read_text() == "theirs"


def test_a_file_that_is_not_written_again_is_rejected_because_it_would_be_read(tmp_path: Path) -> None:
    make_dataset(tmp_path).save(make_tables())
    with pytest.raises(DatasetError, match=r"train holds more\.parquet, .* with own\.csv.*raw_dir"):
        make_dataset(tmp_path).save({"own.csv": CSV})


def test_a_file_and_a_folder_do_not_replace_each_other(tmp_path: Path) -> None:
    make_dataset(tmp_path / "file").save(CSV)
    with pytest.raises(DatasetError, match=r"file/train\.csv would be in the way of train, .*Remove .*raw_dir"):
        make_dataset(tmp_path / "file").save(make_tables())
    make_dataset(tmp_path / "folder").save(make_tables())
    with pytest.raises(DatasetError, match=r"folder/train would be in the way of train\.csv"):
        make_dataset(tmp_path / "folder").save(CSV)
    assert list_files(tmp_path / "file") == ["download.json", "train.csv"]
