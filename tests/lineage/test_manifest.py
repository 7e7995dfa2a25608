"""The folder of manifests."""

import json
import logging
import os
from datetime import timedelta
from pathlib import Path

import fsspec
import pytest
from kedro.io import DataCatalog
from kedro.io.core import DatasetError

from arena_preference.lineage.manifest import ManifestFolder, ManifestFolderDataset, open_manifests
from arena_preference.lineage.process import RunProcess
from arena_preference.lineage.storage import StoredDataset


@pytest.fixture(params=["file", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> ManifestFolder:
    filepath = {"file": str(tmp_path / "runs"), "memory": f"memory://{tmp_path}/runs"}[request.param]
    return ManifestFolderDataset(filepath=filepath).load()


def test_manifests_come_back_from_the_oldest_to_the_newest(folder: ManifestFolder, make_manifest) -> None:
    assert folder.read_all() == {}
    manifests = [make_manifest("2"), make_manifest("1", parameters={"a": {"b": [1, 2.5, None, "x"]}})]
    for manifest in manifests:
        folder.create(manifest)
    assert list(folder.read_all().values()) == manifests[::-1]
    folder.remove("1")
    assert list(folder.read_all()) == ["2"]


def test_the_journal_of_a_run_that_was_killed_goes_with_its_manifest(folder: ManifestFolder, make_manifest) -> None:
    folder.create(make_manifest("1"))
    journal = folder.open_journal("1")
    journal.fs.makedirs(journal.path)
    journal.fs.pipe_file(f"{journal.path}/train.json", b"[1.0, 2]")
    assert list(folder.read_all()) == ["1"]
    folder.remove("1")
    assert not journal.exists()


def test_a_second_run_with_the_same_id_is_refused_and_loses_nothing(folder: ManifestFolder, make_manifest) -> None:
    first = make_manifest("1", environment="first")
    folder.create(first)
    with pytest.raises(FileExistsError, match=r"same millisecond. Start this one again"):
        folder.create(make_manifest("1", environment="second"))
    assert folder.read_all() == {"1": first}


def test_what_is_no_manifest_is_named_and_left_out(tmp_path: Path, make_manifest, caplog) -> None:
    folder = ManifestFolder(fsspec.filesystem("file"), str(tmp_path))
    folder.write(make_manifest("1"))
    (tmp_path / "2.json").write_text("{}")
    (tmp_path / "3.json").touch()
    (tmp_path / "4.json.0.unfinished").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert list(folder.read_all()) == ["1"]
    assert [record.message.split(" is not")[0] for record in caplog.records] == [str(tmp_path / "2.json")]


def test_a_run_is_found_by_id_name_or_beginning(folder: ManifestFolder, make_manifest) -> None:
    for manifest in (make_manifest("2026-01"), make_manifest("2026-02", name="best"), make_manifest("2027-01")):
        folder.create(manifest)
    assert [folder.find(run).run_id for run in ("2026-01", "best", "2027")] == ["2026-01", "2026-02", "2027-01"]
    with pytest.raises(ValueError, match="'2026' is no run's id or name, and 2 runs begin with it"):
        folder.find("2026")
    with pytest.raises(ValueError, match=r"no run begins with it. `kedro runs list` shows all runs"):
        folder.find("worst")


def test_a_run_without_an_end_is_under_way_or_was_killed(make_manifest) -> None:
    this = RunProcess.this()
    alive = make_manifest("1", status="running", process=this)
    assert (alive.describe_status(), alive.is_under_way()) == ("running", True)
    # Another process has the same number by now.
    before = this.model_copy(update={"began": this.began - 100})
    assert make_manifest("1", status="running", process=before).describe_status() == "killed"
    elsewhere = RunProcess(host="elsewhere", pid=os.getpid(), began=0)
    assert make_manifest("1", status="running", process=elsewhere).describe_status() == "running"
    assert not make_manifest("1", status="completed", process=this).is_under_way()


def test_a_manifest_sums_up_its_run(make_manifest) -> None:
    manifest = make_manifest("2", ["score"], from_run="1")
    manifest.ended = manifest.started + timedelta(seconds=5)
    manifest.read = {
        "model": StoredDataset(path="model", version="0", size=1, sha256=""),
        "raw": StoredDataset(path="raw", version=None, size=1, sha256=""),
    }
    assert manifest.seconds == 5
    assert manifest.needed_runs == {"0", "1"}
    assert manifest.written_versions == {"scores"}


def test_a_manifest_is_plain_json(make_manifest) -> None:
    assert json.loads(make_manifest("1").model_dump_json())["run_id"] == "1"


def test_the_dataset_is_an_input_only(tmp_path: Path) -> None:
    dataset = ManifestFolderDataset(filepath=str(tmp_path / "runs"))
    assert not dataset.exists()
    with pytest.raises(DatasetError, match="holds what runs write of themselves"):
        dataset.save({})
    assert "runs" in str(dataset)


def test_a_catalog_without_the_entry_is_told_what_to_put_there() -> None:
    with pytest.raises(ValueError, match=r"no entry 'runs'.*ManifestFolderDataset"):
        open_manifests(DataCatalog())
