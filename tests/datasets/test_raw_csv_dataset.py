import gzip
import io
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from kedro.io.core import DatasetError

from arena_preference.datasets import RawCSVDataset

CONTENT = 'id,prompt,response_a,extra\n007,"[""Hi,\nyou""]",,x\n2,"[""é""]",NA,y\n'
HEADER = b"id,prompt,response_a\n"


def make_zip(**members: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return archive.getvalue()


def make_dataset(folder: Path, chunk_rows: int | None = None) -> RawCSVDataset:
    return RawCSVDataset(
        filepath=str(folder / "test.csv"),
        columns=["id", "prompt", "response_a"],
        optional_columns=["model_a"],
        chunk_rows=chunk_rows,
    )


@pytest.fixture(params=[None, 1, 2, 1000], autouse=True, ids=lambda rows: f"{rows} rows" if rows else "whole")
def chunk_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int | None:
    """What is true of a table is true of its chunks."""

    load = RawCSVDataset.load

    def load_in_chunks(dataset: RawCSVDataset) -> pd.DataFrame:
        dataset.chunk_rows = request.param
        table = load(dataset)
        chunks = list(dataset.read_chunks())
        pd.testing.assert_frame_equal(pd.concat(chunks), table)
        assert table.index.tolist() == list(range(len(table)))
        assert all(min(request.param, len(table)) <= len(chunk) <= 2 * request.param for chunk in chunks)
        assert {chunk.attrs["source"] for chunk in chunks} == {table.attrs["source"]}
        return table

    if request.param:
        monkeypatch.setattr(RawCSVDataset, "load", load_in_chunks)
    return request.param


def test_every_cell_is_read_as_the_text_that_stands_there(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text(CONTENT, encoding="utf-8")
    table = make_dataset(tmp_path).load()
    assert table.to_dict("list") == {"id": ["007", "2"], "prompt": ['["Hi,\nyou"]', '["é"]'], "response_a": ["", "NA"]}


PACKED = {
    "gz": gzip.compress(CONTENT.encode()),
    # As the competition's own downloads are; a Mac adds files of its own.
    "zip": make_zip(**{"__MACOSX/._test.csv": b"x", "raw/test.csv": CONTENT.encode()}),
}


@pytest.mark.parametrize("name", ["test.csv.{kind}", "test.csv"])
@pytest.mark.parametrize("kind", PACKED)
def test_a_packed_file_is_read_under_its_own_name_and_under_that_of_a_plain_one(
    tmp_path: Path, kind: str, name: str
) -> None:
    (tmp_path / "test.csv").write_text(CONTENT, encoding="utf-8")
    plain = make_dataset(tmp_path).load()
    (tmp_path / "test.csv").unlink()
    (tmp_path / name.format(kind=kind)).write_bytes(PACKED[kind])
    pd.testing.assert_frame_equal(make_dataset(tmp_path).load(), plain)
    assert make_dataset(tmp_path).exists()


def test_a_line_that_ends_early_leaves_empty_cells(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("id,prompt,response_a\n1,a,b\n2\n", encoding="utf-8")
    assert make_dataset(tmp_path).load().iloc[1].tolist() == ["2", "", ""]


def test_a_blank_line_is_no_row(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("\nid,prompt,response_a\n\n1,a,b\n  \n\t\n2,a,b\n\n", encoding="utf-8")
    assert make_dataset(tmp_path).load()["id"].tolist() == ["1", "2"]


def test_a_line_with_surplus_cells_keeps_the_first_ones_and_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "test.csv").write_bytes(HEADER + b"1,a,b\n2,a,b,c,d\n3,a,b\n4,a,b,c\n")
    assert make_dataset(tmp_path).load().to_numpy().tolist() == [[number, "a", "b"] for number in "1234"]
    assert "2 lines with more cells than its 3 columns" in caplog.text


def test_no_row_is_lost_beside_a_line_with_surplus_cells(tmp_path: Path) -> None:
    long = b"x" * 200_000
    (tmp_path / "test.csv").write_bytes(HEADER + b"1,a,b,c\n2,caf\xe9,b\n3," + long + b',b\n4,"a\0b",c\n')
    table = make_dataset(tmp_path).load()
    assert table["prompt"].tolist() == ["a", "caf\ufffd", long.decode(), "a\0b"]


def test_bytes_that_are_not_utf8_become_replacement_characters_and_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "test.csv").write_bytes(HEADER + b"1,caf\xe9,b\n2,a,b\n3,\xff,\xff\n")
    table = make_dataset(tmp_path).load()
    assert table["prompt"].tolist() == ["caf\ufffd", "a", "\ufffd"]
    assert "not UTF-8. They have become U+FFFD; 2 rows hold" in caplog.text
    assert table.attrs["source"] == str(tmp_path / "test.csv")


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text(CONTENT, encoding="utf-8-sig")
    assert make_dataset(tmp_path).load().columns[0] == "id"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_read_where_the_file_is_marked_as_such(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "test.csv").write_bytes(f"\ufeff{CONTENT}".encode(encoding))
    assert make_dataset(tmp_path).load()["prompt"].tolist() == ['["Hi,\nyou"]', '["é"]']


def test_a_nul_byte_cuts_no_cell(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_bytes(HEADER + b'1,a\0b,"c\0d"\n2,a,b\n')
    assert make_dataset(tmp_path).load().to_numpy().tolist() == [["1", "a\0b", "c\0d"], ["2", "a", "b"]]


def test_a_cell_of_ten_megabytes_in_any_script_is_read_whole(tmp_path: Path) -> None:
    cell = "مرحبا 👩‍💻 \u202e\x1b " * 400_000
    (tmp_path / "test.csv").write_text(f"id,prompt,response_a\n1,{cell},b\n", encoding="utf-8")
    assert make_dataset(tmp_path).load()["prompt"].tolist() == [cell]


def test_a_quote_in_the_middle_of_a_cell_is_a_letter_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_bytes(HEADER + b'1,5" by 3",\n2,"he said ""no""",b\n')
    assert make_dataset(tmp_path).load()["prompt"].tolist() == ['5" by 3"', 'he said "no"']


@pytest.mark.parametrize(
    "rows",
    [
        b'1,"never closed,x\n2,"a",b\n3,c,d\n',
        b'1,"a","never closed\n2,"a","b"\n3,c,d\n',
        b'1,"never closed,"b"\n2,"a","b"\n',
        b'1,a,"never closed\n2,a,b\n3,a,c\n',
        b'1,a,b\n2,a,"cut off',
    ],
)
def test_rows_that_run_together_after_a_quote_that_is_never_closed_are_not_lost_silently(
    tmp_path: Path, rows: bytes
) -> None:
    (tmp_path / "test.csv").write_bytes(HEADER + rows)
    with pytest.raises(DatasetError, match=r"test\.csv has a quote that is not closed.* Close|EOF inside string"):
        make_dataset(tmp_path).load()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"id,prompt,response_a\n", "a header and no rows"),
        (b"id,prompt\n1,x\n", "lacks the column response_a"),
        (b'{"id": 1}\n', "lacks the columns id, prompt, response_a"),
        (b"id,Prompt,response_a\n1,x,y\n", "lacks the column prompt. Its first line is: 'id,Prompt,response_a'"),
        (b"id,prompt,response_a,prompt\n1,x,y,z\n", "has the column prompt more than once"),
        (b"id;prompt;response_a\n1;2;3\n", "first line is: 'id;prompt;response_a'.* separated by commas"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "lacks the columns id, prompt, response_a"),
        ("id,prompt,response_a\n1,a,b\n".encode("utf-16-le"), "lacks the columns id, prompt, response_a"),
        (b'id,prompt,response_a\n1,"never closed,x\n', "not a CSV that can be read|has a quote that is not closed"),
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


@pytest.mark.parametrize("kept", [10, 40, -12])
@pytest.mark.parametrize("kind", PACKED)
def test_a_packed_file_that_was_cut_off_is_refused(tmp_path: Path, kind: str, kept: int) -> None:
    (tmp_path / f"test.csv.{kind}").write_bytes(PACKED[kind][:kept])
    with pytest.raises(DatasetError, match=rf"test\.csv\.{kind} cannot be unpacked .* download it again"):
        make_dataset(tmp_path).load()


def test_a_zip_file_with_a_damaged_or_unreadable_member_is_refused(tmp_path: Path) -> None:
    content = bytearray(PACKED["zip"])
    content[content.index(b"raw/test.csv") + 20] ^= 1
    (tmp_path / "test.csv.zip").write_bytes(content)
    with pytest.raises(DatasetError, match=r"test\.csv\.zip cannot be unpacked .*Copy or download it again"):
        make_dataset(tmp_path).load()
    # The bit that says that a password is needed, in both places where it stands.
    encrypted = bytearray(make_zip(**{"test.csv": CONTENT.encode()}))
    encrypted[6] |= 1
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "test.csv.zip").write_bytes(encrypted)
    with pytest.raises(DatasetError, match=r"test\.csv\.zip cannot be unpacked .*encrypted.* or unpack it yourself"):
        make_dataset(tmp_path).load()


def test_a_zip_file_without_the_table_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "test.csv.zip").write_bytes(make_zip(**{"train.csv": b"", "sample.csv": b""}))
    with pytest.raises(DatasetError, match=r"holds 0 files of the name test\.csv; it holds train\.csv, sample\.csv"):
        make_dataset(tmp_path).load()


def test_a_missing_file_is_an_error_that_names_every_spelling_and_the_parameter(tmp_path: Path) -> None:
    assert not make_dataset(tmp_path).exists()
    with pytest.raises(DatasetError, match=r"test\.csv and no .*test\.csv\.gz or .*test\.csv\.zip.*raw_dir=DIR"):
        make_dataset(tmp_path).load()


def test_the_last_chunk_is_never_a_small_one(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_bytes(HEADER + b"".join(b"%d,a,b\n" % number for number in range(8)))
    lengths = [len(chunk) for chunk in make_dataset(tmp_path, chunk_rows=3).read_chunks()]
    assert lengths == [3, 5]


def test_raw_data_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="only reads"):
        make_dataset(tmp_path).save(pd.DataFrame({"id": [1]}))
