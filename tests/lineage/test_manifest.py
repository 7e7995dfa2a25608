"""The folder of manifests."""

import logging
import os
from datetime import timedelta
from pathlib import Path

import fsspec
import pytest
from kedro.io import CatalogConfigResolver, DataCatalog

from arena_preference.lineage.environment import RunProcess
from arena_preference.lineage.manifest import ManifestFolder, open_manifests
from arena_preference.lineage.storage import CatalogStorage, StoredDataset, StoredPath


def _catalog(path: str) -> dict[str, dict[str, str]]:
    runs = {"type": "partitions.PartitionedDataset", "path": path, "dataset": "json.JSONDataset"}
    return {"runs": {**runs, "filename_suffix": ".json"}}


@pytest.fixture(params=["file", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> ManifestFolder:
    path = {"file": str(tmp_path / "runs"), "memory": f"memory://{tmp_path}/runs"}[request.param]
    return open_manifests(CatalogStorage(CatalogConfigResolver(_catalog(path)), tmp_path))


def test_manifests_are_read_from_the_oldest_to_the_newest(folder: ManifestFolder, make_manifest) -> None:
    assert folder.read_all() == {}
    manifests = [make_manifest("2"), make_manifest("1", parameters={"a": {"b": [1, 2.5, None, "x"]}})]
    for manifest in manifests:
        folder.create(manifest)
    assert list(folder.read_all().values()) == manifests[::-1]
    folder.remove("1")
    assert list(folder.read_all()) == ["2"]


def test_the_profiles_of_a_killed_run_are_removed_with_its_manifest(folder: ManifestFolder, make_manifest) -> None:
    folder.create(make_manifest("1"))
    profiles = folder.open_profiles("1")
    profiles.fs.makedirs(profiles.path)
    profiles.fs.pipe_file(f"{profiles.path}/train.json", b"[1.0, 2]")
    assert list(folder.read_all()) == ["1"]
    folder.remove("1")
    assert not profiles.exists()


def test_a_second_run_with_the_same_id_is_rejected_and_the_first_is_kept(folder: ManifestFolder, make_manifest) -> None:
    first = make_manifest("1", environment="first")
    folder.create(first)
    with pytest.raises(FileExistsError, match="Run 1 exists"):
        folder.create(make_manifest("1", environment="second"))
    assert folder.read_all() == {"1": first}


def test_an_invalid_manifest_is_logged_and_skipped(tmp_path: Path, make_manifest, caplog) -> None:
    folder = ManifestFolder(StoredPath(fsspec.filesystem("file"), str(tmp_path)))
    folder.write(make_manifest("1"))
    (tmp_path / "2.json").write_text("{}")
    (tmp_path / "3.json").touch()
    (tmp_path / "4.json.0.tmp").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert list(folder.read_all()) == ["1"]
    assert [record.message.split(" is not")[0] for record in caplog.records] == [str(tmp_path / "2.json")]


def test_a_run_is_found_by_id_name_or_prefix(folder: ManifestFolder, make_manifest) -> None:
    for manifest in (make_manifest("2026-01"), make_manifest("2026-02", name="best"), make_manifest("2027-01")):
        folder.create(manifest)
    assert [folder.find(run).run_id for run in ("2026-01", "best", "2027")] == ["2026-01", "2026-02", "2027-01"]
    with pytest.raises(ValueError, match=r"'2026'.* 2 run"):
        folder.find("2026")
    with pytest.raises(ValueError, match=r"'worst'.*kedro runs list"):
        folder.find("worst")


def test_a_run_without_an_end_is_running_or_was_killed(make_manifest) -> None:
    current = RunProcess.current()
    alive = make_manifest("1", status="running", process=current)
    assert (alive.final_status, alive.is_running) == ("running", True)
    # Another process now has the same id.
    before = current.model_copy(update={"started": current.started - 100})
    assert make_manifest("1", status="running", process=before).final_status == "killed"
    elsewhere = RunProcess(host="elsewhere", pid=os.getpid(), started=0)
    assert make_manifest("1", status="running", process=elsewhere).final_status == "running"
    assert not make_manifest("1", status="completed", process=current).is_running


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


def test_the_catalog_s_entry_loads_manifests_as_json(tmp_path: Path, make_manifest) -> None:
    catalog = _catalog(str(tmp_path))
    open_manifests(CatalogStorage(CatalogConfigResolver(catalog), tmp_path)).create(make_manifest("1"))
    loaded = DataCatalog.from_config(catalog).load("runs")
    assert {name: load()["status"] for name, load in loaded.items()} == {"1": "completed"}


def test_a_catalog_without_the_entry_is_rejected_with_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'runs'.*partitions\.PartitionedDataset"):
        open_manifests(CatalogStorage(CatalogConfigResolver({}), tmp_path))
