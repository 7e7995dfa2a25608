import sys
from pathlib import Path

import optuna
import pytest
from kedro.io.core import AbstractDataset, DatasetError

from arena_preference.datasets import HandleDataset, ModelStore, open_optuna_journal, read_optional_json


def test_an_opener_is_named_in_the_catalog_or_passed(tmp_path: Path) -> None:
    entry = {
        "type": "arena_preference.datasets.HandleDataset",
        "filepath": (tmp_path / "store").as_posix(),
        "opener": "arena_preference.datasets.ModelStore",
    }
    for dataset in (
        AbstractDataset.from_config("store", entry),
        HandleDataset(filepath=str(tmp_path / "store"), opener=ModelStore),
    ):
        assert not dataset.exists()
        assert isinstance(store := dataset.load(), ModelStore)
        assert store.path == tmp_path / "store"
        assert str(tmp_path / "store") in str(dataset)
    (tmp_path / "store").mkdir()
    assert dataset.exists()


def test_data_is_not_saved_to_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"store.* input"):
        HandleDataset(filepath=str(tmp_path / "store"), opener=ModelStore).save({})


def test_trials_are_appended_to_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "trials.log"
    study = optuna.create_study(storage=open_optuna_journal(path), study_name="one")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    again = optuna.load_study(storage=open_optuna_journal(path), study_name="one")
    assert [trial.value for trial in again.trials] == [trial.value for trial in study.trials]


def test_without_optuna_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna.storages", None)
    with pytest.raises(DatasetError, match=r"pip install 'arena-preference\[tuning\]'"):
        open_optuna_journal(tmp_path / "trials.log")


def test_a_missing_json_file_is_an_empty_object(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    assert read_optional_json(path) == {}
    path.write_text('{"train": {"battles": 3}}')
    assert read_optional_json(path) == {"train": {"battles": 3}}


def test_an_error_of_the_opener_comes_with_the_path(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_text("{")
    with pytest.raises(DatasetError, match=r"summary\.json"):
        HandleDataset(filepath=str(path), opener=read_optional_json).load()
