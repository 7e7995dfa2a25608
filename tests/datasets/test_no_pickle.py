"""Loading an artefact never runs code from its file."""

import hashlib
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kedro.io.core import AbstractDataset, DatasetError
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import CSVDataset, ParquetDataset
from kedro_datasets.yaml import YAMLDataset

from arena_preference.datasets import (
    CatBoostDataset,
    EmbeddingStoreDataset,
    HandleDataset,
    RawTablesDataset,
    SafetensorsDataset,
    SkopsDataset,
    make_keys,
    open_optuna_journal,
    read_optional_json,
)

KINDS: dict[str, Callable[..., AbstractDataset]] = {
    ".cbm": CatBoostDataset,
    ".skops": SkopsDataset,
    ".safetensors": SafetensorsDataset,
    ".parquet": ParquetDataset,
    ".json": JSONDataset,
    "simulation.json": lambda filepath: HandleDataset(filepath=filepath, opener=read_optional_json),
    ".yml": YAMLDataset,
    ".log": lambda filepath: HandleDataset(filepath=filepath, opener=open_optuna_journal),
    "train.csv": lambda filepath: RawTablesDataset(filepath=filepath, columns=["id"]),
}


class Bomb:
    """Leaves a marker when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (Path.touch, (self.marker,))


def zip_it(content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("schema.json", "{}")
        # Where PyTorch and joblib would look for it.
        file.writestr("archive/data.pkl", content)
    return archive.getvalue()


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "marker"


def test_the_bomb_works_where_pickles_are_loaded(marker: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(marker)))  # noqa: S301
    assert marker.exists()


@pytest.mark.parametrize("dress", [bytes, zip_it], ids=["bare", "zip"])
@pytest.mark.parametrize("name", KINDS)
def test_a_pickle_in_place_of_an_artefact_is_rejected_with_its_path_and_not_run(
    tmp_path: Path, marker: Path, name: str, dress: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / (f"artefact{name}" if name.startswith(".") else name)
    path.write_bytes(dress(pickle.dumps(Bomb(marker))))
    with pytest.raises(DatasetError) as error:
        KINDS[name](filepath=str(path)).load()
    assert str(path) in str(error.value)
    assert not marker.exists()


def test_a_pickle_in_place_of_a_shard_is_quarantined_and_not_run(
    tmp_path: Path, marker: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = pickle.dumps(Bomb(marker))
    store = EmbeddingStoreDataset(filepath=str(tmp_path / "store")).load()
    folder = Path(store.locate({"kind": "encoder"}))
    folder.mkdir(parents=True)
    # Even under the right name, which is the hash of the content.
    shard = folder / f"{hashlib.sha256(content).hexdigest()}.safetensors"
    shard.write_bytes(content)
    assert not store.open_collection({"kind": "encoder"}).holds(make_keys(["a text"])).any()
    assert str(shard) in caplog.text
    assert not marker.exists()


def test_yaml_makes_no_objects(tmp_path: Path, marker: Path) -> None:
    path = tmp_path / "tuned_parameters.yml"
    path.write_text(f"!!python/object/apply:os.mknod ['{marker}']")
    with pytest.raises(DatasetError, match="mknod"):
        YAMLDataset(filepath=str(path)).load()
    assert not marker.exists()


def test_a_csv_keeps_what_looks_like_code_as_text(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("id,name\n1,=cmd|' /C calc'!A0\n")
    assert CSVDataset(filepath=str(path)).load()["name"].tolist() == ["=cmd|' /C calc'!A0"]
