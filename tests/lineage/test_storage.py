"""Paths, sizes and hashes of the catalog's files."""

import hashlib
from pathlib import Path

import fsspec
import pytest
from kedro.io import CatalogConfigResolver

from arena_preference.lineage.storage import CatalogStorage, StoredPath

CATALOG = {
    "{split}_battles": {"type": "json.JSONDataset", "filepath": "data/{split}.json", "versioned": True},
    "raw": {"type": "pandas.CSVDataset", "filepath": "data/raw.csv"},
    "study": {"type": "SQLStudy", "url": "sqlite://"},
    "far": {
        "type": "json.JSONDataset",
        "filepath": "memory:///bucket/far.json",
        "versioned": True,
        "fs_args": {"open_args_save": {"mode": "w"}},
    },
}


@pytest.fixture
def storage(tmp_path: Path) -> CatalogStorage:
    return CatalogStorage(CatalogConfigResolver(CATALOG), tmp_path)


def test_the_configuration_says_what_is_stored_and_what_is_versioned(storage: CatalogStorage) -> None:
    names = ["train_battles", "raw", "study", "nothing", "params:seed"]
    assert [name for name in names if storage.is_stored(name)] == ["train_battles", "raw"]
    assert [name for name in names if storage.is_versioned(name)] == ["train_battles"]


def test_versions_are_where_kedro_puts_them(storage: CatalogStorage, tmp_path: Path) -> None:
    path = storage.locate("train_battles", "1")
    assert path.path == f"{tmp_path}/data/train.json/1/train.json"
    assert storage.locate_folder("train_battles", "1").path == f"{tmp_path}/data/train.json/1"


def test_complete_and_incomplete_versions_are_listed(storage: CatalogStorage, tmp_path: Path) -> None:
    assert list(storage.list_versions("train_battles")) == []
    (tmp_path / "data/train.json/2").mkdir(parents=True)
    (tmp_path / "data/train.json/1").mkdir()
    assert [name for name, _ in storage.list_versions("train_battles")] == ["1", "2"]


def test_size_and_hash_of_a_file_and_of_a_compressed_one(storage: CatalogStorage, tmp_path: Path) -> None:
    path = storage.locate("raw")
    assert not path.exists()
    assert storage.find_unversioned("raw") is None
    (tmp_path / "data").mkdir()
    (tmp_path / "data/raw.csv.gz").write_bytes(b"compressed")
    found = storage.find_unversioned("raw")
    assert found is not None
    assert found.path.endswith("raw.csv.gz")
    content = bytes(3 * 2**20)
    (tmp_path / "data/raw.csv").write_bytes(content)
    assert path.measure() == (len(content), hashlib.sha256(content).hexdigest())
    assert storage.record(path, None).path == "data/raw.csv"


def test_temporary_files_do_not_count_in_a_folder(tmp_path: Path) -> None:
    path = StoredPath(fsspec.filesystem("file"), str(tmp_path))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("1")
    before = path.measure()
    assert before[0] == 1
    (tmp_path / "c.0.tmp").write_text("half")
    (tmp_path / "d.tmp").mkdir()
    (tmp_path / "d.tmp" / "checkpoint").write_text("1")
    assert path.measure() == before
    (tmp_path / "a" / "b").rename(tmp_path / "a" / "c")
    assert path.measure() != before
    path.remove()
    assert not tmp_path.exists()


def test_a_file_that_is_removed_during_hashing_does_not_count(tmp_path: Path, monkeypatch) -> None:
    path = StoredPath(fsspec.filesystem("file"), str(tmp_path))
    (tmp_path / "stays").write_text("1")
    expected = path.measure()
    (tmp_path / "goes").write_text("12")
    find = path.fs.find

    def find_and_lose(path: str) -> list[str]:
        found = list(find(path))
        (tmp_path / "goes").unlink()
        return found

    monkeypatch.setattr(path.fs, "find", find_and_lose)
    assert path.measure() == expected


def test_remote_filesystems_are_supported(storage: CatalogStorage) -> None:
    path = storage.locate("far", "1")
    path.fs.pipe_file(path.path, b"[]")
    assert path.exists()
    assert path.measure() == (2, hashlib.sha256(b"[]").hexdigest())
    assert [name for name, _ in storage.list_versions("far")] == ["1"]
    storage.locate_folder("far", "1").remove()
    assert not path.exists()


def test_recorded_paths_are_relative_to_the_project_and_absolute_elsewhere(
    storage: CatalogStorage, tmp_path: Path
) -> None:
    elsewhere = tmp_path.parent / f"{tmp_path.name}-x"
    for path in (tmp_path / "x", elsewhere):
        path.touch()
    far = storage.locate("far", "1")
    far.fs.pipe_file(far.path, b"[]")
    paths = [StoredPath(fsspec.filesystem("file"), str(path)) for path in (tmp_path / "x", elsewhere)]
    assert [storage.record(path, "1").path for path in (*paths, far)] == [
        "x",
        str(elsewhere),
        "memory:///bucket/far.json/1/far.json",
    ]
