import gzip
from pathlib import Path

import pandas as pd
import pytest
from kedro.io.core import DatasetError

from arena_preference.datasets import RawCSVDataset

CONTENT = 'id,prompt,response_a,extra\n007,"[""Hi,\nyou""]",,x\n2,"[""é""]",NA,y\n'


def make_dataset(folder: Path) -> RawCSVDataset:
    return RawCSVDataset(
        filepath=str(folder / "test.csv"),
        columns=["id", "prompt", "response_a"],
        optional_columns=["model_a"],
    )


def test_every_cell_is_read_as_the_text_that_stands_there(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text(CONTENT, encoding="utf-8")
    table = make_dataset(tmp_path).load()
    assert table.to_dict("list") == {"id": ["007", "2"], "prompt": ['["Hi,\nyou"]', '["é"]'], "response_a": ["", "NA"]}


def test_a_gzip_file_is_read_where_there_is_no_plain_one(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text(CONTENT, encoding="utf-8")
    plain = make_dataset(tmp_path).load()
    (tmp_path / "test.csv").unlink()
    (tmp_path / "test.csv.gz").write_bytes(gzip.compress(CONTENT.encode()))
    pd.testing.assert_frame_equal(make_dataset(tmp_path).load(), plain)
    assert make_dataset(tmp_path).exists()


def test_a_line_that_ends_early_leaves_empty_cells(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("id,prompt,response_a\n1,a,b\n2\n", encoding="utf-8")
    assert make_dataset(tmp_path).load().iloc[1].tolist() == ["2", "", ""]


def test_a_line_with_surplus_cells_keeps_the_first_ones_and_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "test.csv").write_text("id,prompt,response_a\n1,a,b\n2,a,b,c\n3,a,b\n", encoding="utf-8")
    assert make_dataset(tmp_path).load().to_numpy().tolist() == [["1", "a", "b"], ["2", "a", "b"], ["3", "a", "b"]]
    assert "1 lines with more cells than its 3 columns" in caplog.text


def test_bytes_that_are_not_utf8_become_replacement_characters_and_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "test.csv").write_bytes(b"id,prompt,response_a\n1,caf\xe9,b\n")
    table = make_dataset(tmp_path).load()
    assert table["prompt"].tolist() == ["caf\ufffd"]
    assert "not UTF-8" in caplog.text
    assert table.attrs["source"] == str(tmp_path / "test.csv")


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text(CONTENT, encoding="utf-8-sig")
    assert make_dataset(tmp_path).load().columns[0] == "id"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"id,prompt,response_a\n", "a header and no rows"),
        (b"id,prompt\n1,x\n", "lacks the column response_a"),
        (b'{"id": 1}\n', "lacks the columns id, prompt, response_a"),
        (b"id;prompt;response_a\n1;2;3\n", "first line is: 'id;prompt;response_a'"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "lacks the columns id, prompt, response_a"),
        ("id,prompt,response_a\n1,a,b\n".encode("utf-16"), "lacks the columns id, prompt, response_a"),
        (b'id,prompt,response_a\n1,"never closed,x\n', "not a CSV that can be read"),
        (b"id,prompt,response_a\n1,a,b,c\n2,a,b,c\n", "more cells in its rows than columns"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused_with_file_and_remedy(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "test.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=message) as error:
        make_dataset(tmp_path).load()
    assert str(tmp_path / "test.csv") in str(error.value)


def test_a_gzip_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test.csv.gz").write_bytes(gzip.compress(CONTENT.encode())[:-12])
    with pytest.raises(DatasetError, match="not a whole gzip file"):
        make_dataset(tmp_path).load()


def test_a_missing_file_is_an_error_that_names_both_spellings_and_the_parameter(tmp_path: Path) -> None:
    assert not make_dataset(tmp_path).exists()
    with pytest.raises(DatasetError, match=r"test\.csv and no .*test\.csv\.gz.*raw_dir=DIR"):
        make_dataset(tmp_path).load()


def test_raw_data_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="only reads"):
        make_dataset(tmp_path).save(pd.DataFrame({"id": [1]}))
