"""Contents of the bundle, from runs of a small project."""

import json
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project
from kedro.io import CatalogConfigResolver

from arena_preference.kaggle.bundle import add_run, copy_models, write_conf
from arena_preference.lineage.manifest import open_manifests
from arena_preference.lineage.pinning import LineageError, choose_run
from arena_preference.lineage.storage import CatalogStorage
from arena_preference.pretrained import list_transformers

PROJECT = Path(__file__).parents[2]


def _storage(folder: Path) -> CatalogStorage:
    def json_dataset(name: str) -> dict[str, Any]:
        return {"type": "json.JSONDataset", "filepath": f"data/{name}.json", "versioned": True}

    catalog = {
        "runs": {"type": "partitions.PartitionedDataset", "path": "data/runs"},
        "doubles": json_dataset("doubles"),
        "total": json_dataset("total"),
        "cross_encoders": json_dataset("cross_encoders"),
        "cross_encoder_store": {"type": "Store", "filepath": "data/store"},
        "numbers": {"type": "json.JSONDataset", "filepath": "data/numbers.json"},
    }
    return CatalogStorage(CatalogConfigResolver(catalog), folder)


@pytest.fixture
def source(project) -> CatalogStorage:
    """The small project after a run that also trained the cross encoder ``b``."""
    project.invoke("run")
    storage = _storage(project.folder)
    folder = open_manifests(storage)
    (manifest,) = folder.read_all().values()
    described = Path(storage.locate("cross_encoders", manifest.run_id).path)
    described.parent.mkdir(parents=True)
    described.write_text('{"models": [{"key": "b"}]}')
    for key in ("a", "b"):
        (project.folder / "data" / "store" / key).mkdir(parents=True)
        (project.folder / "data" / "store" / key / "model.safetensors").touch()
    manifest.nodes[0].outputs.append("cross_encoders")
    manifest.written["cross_encoders"] = storage.record(
        storage.locate("cross_encoders", manifest.run_id), manifest.run_id
    )
    folder.write(manifest)
    return storage


def test_a_run_is_copied_with_its_cross_encoders_and_can_be_started_from(
    source: CatalogStorage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = _storage(tmp_path_factory.mktemp("target"))
    manifest = add_run(source, target, ["numbers", "doubles", "cross_encoders", "cross_encoder_store"], None)
    run_id, versions = choose_run(["doubles", "cross_encoders"], open_manifests(target).read_all())
    assert run_id == manifest.run_id
    for name, version in versions.items():
        copy, original = (storage.locate(name, version) for storage in (target, source))
        assert copy.measure() == original.measure()
    store = Path(target.locate("cross_encoder_store").path)
    assert [path.relative_to(store).as_posix() for path in store.rglob("*")] == ["b", "b/model.safetensors"]
    assert not target.locate("total").exists()
    assert not target.locate("numbers").exists()


def test_a_run_whose_files_were_changed_is_not_copied(
    source: CatalogStorage, project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (manifest,) = project.manifests()
    project.version("doubles.json", manifest["run_id"]).write_text("[]")
    with pytest.raises(LineageError, match=r"doubles\.json has 2 bytes"):
        add_run(source, _storage(tmp_path_factory.mktemp("target")), ["doubles"], manifest["run_id"])


def test_the_submission_reads_the_labels_and_the_cross_encoders_with_their_store() -> None:
    bootstrap_project(PROJECT)
    assert {"labels", "preference_model", "cross_encoders", "cross_encoder_store"} <= pipelines["submission"].inputs()


PARAMETERS = {
    "seed": 0,
    "raw_dir": "elsewhere",
    "from_run": "best",
    "embedding": {
        "encoder": {"enabled": True, "model": "org/encoder", "revision": "1"},
        "reward_model": {"enabled": False, "model": "org/reward", "revision": "1"},
        "inference": {"device": "auto"},
    },
    "finetuning": {"preset": "gemma", "enabled": True, "model": "org/cross", "revision": "2", "lora": {"rank": 16}},
}


def test_transformers_are_found_where_they_are_enabled() -> None:
    assert list(list_transformers(PARAMETERS)) == ["embedding.encoder", "finetuning"]


def test_models_are_copied_and_the_parameters_name_the_copies(tmp_path: Path) -> None:
    original, bundle = tmp_path / "original", tmp_path / "bundle"
    original.mkdir()
    for name in ("config.json", "model.safetensors"):
        (original / name).write_text("{}")
    encoder = {"enabled": True, "model": str(original), "revision": None}
    changed = copy_models({"seed": 0, "embedding": {"preset": "qwen3", "encoder": encoder}}, bundle)
    assert changed["embedding"]["encoder"]["model"] == "models/embedding.encoder"
    assert (bundle / "models" / "embedding.encoder" / "config.json").exists()
    # The preset would be merged over the folder of the copied model.
    assert changed["embedding"]["preset"] is None
    assert encoder["model"] == str(original)


def test_the_configuration_has_the_catalog_and_the_run_s_own_parameters(tmp_path: Path) -> None:
    write_conf(PROJECT / "conf", PARAMETERS, tmp_path)
    catalogs = {path.name for path in (PROJECT / "conf" / "base").glob("catalog*.yml")}
    assert {path.name for path in (tmp_path / "base").glob("*.yml")} == {*catalogs, "globals.yml"}
    parameters = json.loads((tmp_path / "base" / "parameters.json").read_text())
    assert parameters["from_run"] is None
    assert "raw_dir" not in parameters
    assert parameters["embedding"] == PARAMETERS["embedding"]
