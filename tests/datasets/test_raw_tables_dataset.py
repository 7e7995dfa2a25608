import gzip
import io
import re
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kedro.io.core import DatasetError

from arena_preference.datasets import RawTable, RawTablesDataset

CONTENT = 'id,prompt,response_a,extra\n007,"[""Hi,\nyou""]",,x\n2,"[""é""]",NA,y\n'
HEADER = b"id,prompt,response_a\n"


def make_zip(**members: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return archive.getvalue()


def make_dataset(folder: Path, chunk_rows: int | None = None) -> RawTablesDataset:
    return RawTablesDataset(
        filepath=str(folder / "test"), columns=["id", "prompt", "response_a"], chunk_rows=chunk_rows
    )


def load(folder: Path) -> pd.DataFrame:
    """Read three columns of the one table at once, and check that chunks of any size are equal to it."""
    (table,) = make_dataset(folder).load()
    for chunk_rows in (1, 2, 1000):
        chunks = [chunk for (chunk,) in make_dataset(folder, chunk_rows).read_chunks()]
        assert [row for chunk in chunks for row in chunk.rows] == table.rows
        assert [chunk.first_row for chunk in chunks] == [
            sum(len(before.rows) for before in chunks[:number]) for number in range(len(chunks))
        ]
        assert all(min(chunk_rows, len(table.rows)) <= len(chunk.rows) <= 2 * chunk_rows for chunk in chunks)
        assert {(chunk.name, chunk.path, chunk.is_whole) for chunk in chunks} == {(table.name, table.path, False)}
    return pd.DataFrame(table.rows)[["id", "prompt", "response_a"]]


def test_every_cell_is_read_as_text(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text(CONTENT, encoding="utf-8")
    table = load(tmp_path)
    assert table.to_dict("list") == {"id": ["007", "2"], "prompt": ['["Hi,\nyou"]', '["é"]'], "response_a": ["", "NA"]}


COMPRESSED = {
    "gz": gzip.compress(CONTENT.encode()),
    # As the competition's own downloads are; a Mac adds files of its own.
    "zip": make_zip(**{"__MACOSX/._test.csv": b"x", "raw/test.csv": CONTENT.encode()}),
}


@pytest.mark.parametrize("name", ["test.csv.{kind}", "test.csv"])
@pytest.mark.parametrize("kind", COMPRESSED)
def test_a_compressed_file_is_read_under_its_own_name_and_under_the_plain_one(
    tmp_path: Path, kind: str, name: str
) -> None:
    (tmp_path / "test.csv").write_text(CONTENT, encoding="utf-8")
    plain = load(tmp_path)
    (tmp_path / "test.csv").unlink()
    (tmp_path / name.format(kind=kind)).write_bytes(COMPRESSED[kind])
    pd.testing.assert_frame_equal(load(tmp_path), plain)
    assert make_dataset(tmp_path).exists()


def test_a_line_that_ends_early_leaves_empty_cells(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("id,prompt,response_a\n1,a,b\n2\n", encoding="utf-8")
    assert load(tmp_path).iloc[1].tolist() == ["2", "", ""]


def test_a_blank_line_is_not_a_row(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("\nid,prompt,response_a\n\n1,a,b\n  \n\t\n2,a,b\n\n", encoding="utf-8")
    assert load(tmp_path)["id"].tolist() == ["1", "2"]


def test_a_row_with_surplus_cells_keeps_the_first_ones_and_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "test.csv").write_bytes(HEADER + b"1,a,b\n2,a,b,c,d\n3,a,b\n4,a,b,c\n")
    assert load(tmp_path).to_numpy().tolist() == [[number, "a", "b"] for number in "1234"]
    assert re.search(r"test\.csv .*\b2 .*\b3 columns", caplog.text)


def test_no_row_is_lost_beside_a_line_with_surplus_cells(tmp_path: Path) -> None:
    long = b"x" * 200_000
    (tmp_path / "test.csv").write_bytes(HEADER + b"1,a,b,c\n2,caf\xe9,b\n3," + long + b',b\n4,"a\0b",c\n')
    table = load(tmp_path)
    assert table["prompt"].tolist() == ["a", "caf\ufffd", long.decode(), "a\0b"]


def test_bytes_that_are_not_utf8_become_replacement_characters_and_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "test.csv").write_bytes(HEADER + b"1,caf\xe9,b\n2,a,b\n3,\xff,\xff\n")
    table = load(tmp_path)
    assert table["prompt"].tolist() == ["caf\ufffd", "a", "\ufffd"]
    assert re.search(r"test\.csv .*UTF-8.*U\+FFFD.*\b2 rows", caplog.text)


def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text(CONTENT, encoding="utf-8-sig")
    assert load(tmp_path).columns[0] == "id"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_read_if_the_file_has_its_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "test.csv").write_bytes(f"\ufeff{CONTENT}".encode(encoding))
    assert load(tmp_path)["prompt"].tolist() == ['["Hi,\nyou"]', '["é"]']


def test_a_nul_byte_does_not_end_a_cell(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_bytes(HEADER + b'1,a\0b,"c\0d"\n2,a,b\n')
    assert load(tmp_path).to_numpy().tolist() == [["1", "a\0b", "c\0d"], ["2", "a", "b"]]


def test_a_cell_of_a_megabyte_in_any_script_is_read_whole(tmp_path: Path) -> None:
    cell = "مرحبا 👩‍💻 \u202e\x1b " * 40_000
    (tmp_path / "test.csv").write_text(f"id,prompt,response_a\n1,{cell},b\n", encoding="utf-8")
    assert load(tmp_path)["prompt"].tolist() == [cell]


def test_a_quote_in_the_middle_of_a_cell_is_kept(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_bytes(HEADER + b'1,5" by 3",\n2,"he said ""no""",b\n')
    assert load(tmp_path)["prompt"].tolist() == ['5" by 3"', 'he said "no"']


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
def test_a_quote_that_is_never_closed_is_rejected(tmp_path: Path, rows: bytes) -> None:
    (tmp_path / "test.csv").write_bytes(HEADER + rows)
    with pytest.raises(DatasetError, match=r"test\.csv .*quote"):
        make_dataset(tmp_path).load()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"id,prompt,response_a\n", "no rows"),
        (b"id,prompt\n1,x\n", "response_a"),
        (b'{"id": 1}\n{"id": 2}\n', "id, prompt, response_a"),
        (b"id,Prompt,response_a\n1,x,y\n", "column prompt.*id, Prompt, response_a"),
        (b"id,prompt,response_a,prompt\n1,x,y,z\n", "column prompt more than once"),
        (b"id;prompt;response_a\n1;2;3\n", "id;prompt;response_a.*semicolons.*commas"),
        (b"id\tprompt\tresponse_a\n1\ta, b, c, d\te\n", "tabs.*commas"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "id, prompt, response_a"),
        ("id,prompt,response_a\n1,a,b\n".encode("utf-16-le"), "id, prompt, response_a"),
        (b'id,prompt,response_a\n1,"never closed,x\n', "quote"),
        (b"id,prompt,response_a\n1,a,b,c\n2,a,b,c\n", "Quote the cells"),
    ],
)
def test_an_invalid_table_is_rejected_with_its_path_and_a_suggestion(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "test.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=message) as error:
        make_dataset(tmp_path).load()
    assert str(tmp_path / "test.csv") in str(error.value)


@pytest.mark.parametrize("kept", [10, 40, -12])
@pytest.mark.parametrize("kind", COMPRESSED)
def test_a_truncated_compressed_file_is_rejected(tmp_path: Path, kind: str, kept: int) -> None:
    (tmp_path / f"test.csv.{kind}").write_bytes(COMPRESSED[kind][:kept])
    with pytest.raises(DatasetError, match=rf"test\.csv\.{kind} .*download it again"):
        make_dataset(tmp_path).load()


def test_a_zip_file_with_a_corrupted_or_encrypted_member_is_rejected(tmp_path: Path) -> None:
    content = bytearray(COMPRESSED["zip"])
    content[content.index(b"raw/test.csv") + 20] ^= 1
    (tmp_path / "test.csv.zip").write_bytes(content)
    with pytest.raises(DatasetError, match=r"test\.csv\.zip .*download it again"):
        make_dataset(tmp_path).load()
    # The flag for encryption, which is stored twice.
    encrypted = bytearray(make_zip(**{"test.csv": CONTENT.encode()}))
    encrypted[6] |= 1
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "test.csv.zip").write_bytes(encrypted)
    with pytest.raises(DatasetError, match=r"test\.csv\.zip .*encrypted.*yourself"):
        make_dataset(tmp_path).load()


def test_a_zip_file_without_the_table_lists_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "test.csv.zip").write_bytes(make_zip(**{"train.csv": b"", "sample.csv": b""}))
    with pytest.raises(DatasetError, match=r"\b0 .*test\.csv.*train\.csv, sample\.csv"):
        make_dataset(tmp_path).load()


def test_a_missing_file_is_an_error_that_names_the_path_and_the_parameter(tmp_path: Path) -> None:
    assert not make_dataset(tmp_path).exists()
    with pytest.raises(DatasetError, match=r"/test\.csv, \.jsonl or \.parquet.*raw_dir=DIR"):
        make_dataset(tmp_path).load()


def test_a_missing_file_is_an_error_that_lists_what_the_folder_has(tmp_path: Path) -> None:
    for content in ("is empty", "has: Test.CSV", "has: Test.CSV, test.xlsx"):
        with pytest.raises(DatasetError, match=rf"The folder {content}\."):
            make_dataset(tmp_path).load()
        (tmp_path / ("test.xlsx" if (tmp_path / "Test.CSV").exists() else "Test.CSV")).touch()
    with pytest.raises(DatasetError, match="The folder does not exist"):
        make_dataset(tmp_path / "misspelt").load()


def test_a_short_remainder_is_part_of_the_last_chunk(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_bytes(HEADER + b"".join(b"%d,a,b\n" % number for number in range(8)))
    lengths = [len(chunk.rows) for (chunk,) in make_dataset(tmp_path, chunk_rows=3).read_chunks()]
    assert lengths == [3, 5]


def test_empty_rows_of_a_spreadsheet_are_skipped_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "test.csv").write_bytes(HEADER + b"1,a,b\n,,\n2,a,b\n,,,,\n")
    assert load(tmp_path)["id"].tolist() == ["1", "2"]
    assert re.search(r"test\.csv has 2 rows without content", caplog.text)


CELLS = st.text(st.sampled_from('ab,"\n\r \ufeff\0é;'), max_size=4)


@given(
    lines=st.lists(st.lists(CELLS | CELLS.map(lambda cell: '"' + cell.replace('"', '""') + '"'), max_size=6)),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    chunk_rows=st.integers(1, 4),
)
def test_any_file_has_the_same_rows_at_once_and_in_chunks(
    tmp_path_factory: pytest.TempPathFactory, lines: list[list[str]], newline: str, chunk_rows: int
) -> None:
    folder = tmp_path_factory.mktemp("raw")
    content = newline.join(["id,prompt,response_a", *(",".join(cells) for cells in lines)])
    (folder / "test.csv").write_text(content, encoding="utf-8", newline="")

    def read(chunks: int | None) -> list[dict[str, str]] | str:
        dataset = make_dataset(folder, chunks)
        try:
            tables = dataset.load() if chunks is None else [table for (table,) in dataset.read_chunks()]
        except DatasetError as error:
            return str(error)
        return [row for table in tables for row in table.rows]

    assert read(None) == read(chunk_rows)


ROWS = [
    {"id": 7, "prompt": "Hi", "response_a": ["é", None], "score": 0.5},
    {"id": 8, "prompt": None, "response_a": [], "score": None},
]


def read_folder(folder: Path) -> dict[str, RawTable]:
    return {table.name: table for table in RawTablesDataset(filepath=str(folder / "test")).load()}


def test_json_lines_keep_nested_values_and_numbers_as_they_are_written(tmp_path: Path) -> None:
    text = '{"id": 4.29e9, "prompt": "a", "response_a": ["\\ud83d", null], "n": NaN}\r\n\n{"id": 007}'.replace(
        "007", "7"
    )
    (tmp_path / "test.jsonl").write_text(text, encoding="utf-8")
    (table,) = RawTablesDataset(filepath=str(tmp_path / "test")).load()
    assert table.rows == [{"id": "4.29e9", "prompt": "a", "response_a": ["\ud83d", None], "n": None}, {"id": 7}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"id": 1}\n{"id": 2, "prompt": "cut o', r"Line 2 of .*test\.jsonl is not JSON .*truncated"),
        ('[{"id": 1}]\n', r"Line 1 of .*test\.jsonl is not a JSON object.*array.*lines=True"),
        ('[\n {"id": 1}\n]\n', r"Line 1 of .*test\.jsonl is not JSON .*array.*lines=True"),
        ("[" * 100_000, "Line 1"),
        ("\n\n", "no rows"),
    ],
)
def test_a_line_that_is_no_json_object_is_an_error_with_its_number(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "test.jsonl").write_text(content, encoding="utf-8")
    with pytest.raises(DatasetError, match=message):
        RawTablesDataset(filepath=str(tmp_path / "test")).load()


@pytest.mark.parametrize("suffix", ["", ".gz", ".zip"])
def test_parquet_is_read_with_its_nested_types(tmp_path: Path, suffix: str) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), buffer)
    content = {"": bytes, ".gz": gzip.compress, ".zip": lambda data: make_zip(**{"test.parquet": data})}[suffix](
        buffer.getvalue()
    )
    (tmp_path / f"test.parquet{suffix}").write_bytes(content)
    (table,) = RawTablesDataset(filepath=str(tmp_path / "test")).load()
    assert table.rows == ROWS
    chunks = RawTablesDataset(filepath=str(tmp_path / "test"), chunk_rows=1).read_chunks()
    assert [chunk.rows for (chunk,) in chunks] == [ROWS[:1], ROWS[1:]]


def test_a_missing_number_in_parquet_is_none(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [7.0, float("nan")], "prompt": ["a", "b"]}), tmp_path / "test.parquet")
    (table,) = RawTablesDataset(filepath=(tmp_path / "test").as_posix()).load()
    assert [row["id"] for row in table.rows] == [7.0, None]


def test_a_truncated_parquet_file_is_rejected(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "test.parquet")
    (tmp_path / "test.parquet").write_bytes((tmp_path / "test.parquet").read_bytes()[:-8])
    with pytest.raises(DatasetError, match=r"test\.parquet is corrupted or not a Parquet file"):
        read_folder(tmp_path)


def test_two_files_of_the_same_name_are_an_error_that_names_both(tmp_path: Path) -> None:
    for name in ("test.csv", "test.csv.gz"):
        (tmp_path / name).write_bytes(HEADER)
    with pytest.raises(DatasetError, match=r"test\.csv and .*test\.csv\.gz"):
        make_dataset(tmp_path).load()
    (tmp_path / "test.csv.gz").unlink()
    (tmp_path / "test").mkdir()
    with pytest.raises(DatasetError, match=r"test\.csv and .*/test\. "):
        make_dataset(tmp_path).load()


def test_a_folder_is_read_file_by_file_and_says_what_it_skips(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "test"
    folder.mkdir()
    (folder / "b.csv").write_text("id\n1\n")
    (folder / "a.jsonl").write_text('{"id": 2}\n')
    (folder / "README.md").write_text("notes")
    tables = read_folder(tmp_path)
    assert {name: table.rows for name, table in tables.items()} == {"a.jsonl": [{"id": 2}], "b.csv": [{"id": "1"}]}
    assert {table.n_files for table in tables.values()} == {2}
    assert "README.md" in caplog.text
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=r"/test has no file ending in \.csv"):
        read_folder(tmp_path)


def test_a_path_with_a_suffix_names_one_file(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("id\n1\n")
    (tmp_path / "mine.jsonl").write_text('{"id": 2}\n')
    (table,) = RawTablesDataset(filepath=str(tmp_path / "mine.jsonl")).load()
    assert table.rows == [{"id": 2}]
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(b"id\n3\n"))
    for name in ("packed.csv", "packed.csv.gz"):
        (table,) = RawTablesDataset(filepath=str(tmp_path / name)).load()
        assert table.rows == [{"id": "3"}]


def test_a_replacement_character_of_the_text_itself_is_not_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "test.csv").write_text("id,prompt,response_a\n1,\ufffd,b\n", encoding="utf-8")
    assert load(tmp_path)["prompt"].tolist() == ["\ufffd"]
    assert caplog.records == []


def test_chunks_of_no_rows_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="chunk_rows=0"):
        make_dataset(tmp_path, chunk_rows=0)


def test_raw_data_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="read-only"):
        make_dataset(tmp_path).save([])
