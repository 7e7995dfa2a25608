import sys
from pathlib import Path

import optuna
import pytest
from kedro.io.core import DatasetError

from arena_preference.datasets import OptunaStorageDataset


def test_trials_stay_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "trials.log"
    dataset = OptunaStorageDataset(filepath=str(path))
    assert not dataset.exists()
    study = optuna.create_study(storage=dataset.load(), study_name="one")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    assert dataset.exists()
    again = optuna.load_study(storage=OptunaStorageDataset(filepath=str(path)).load(), study_name="one")
    assert [trial.value for trial in again.trials] == [trial.value for trial in study.trials]
    assert str(path) in str(dataset)


def test_it_is_written_by_studies_alone(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="written by Optuna's studies alone"):
        OptunaStorageDataset(filepath=str(tmp_path / "trials.log")).save({})


def test_without_optuna_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna.storages", None)
    with pytest.raises(DatasetError, match=r"pip install 'arena-preference\[tuning\]'"):
        OptunaStorageDataset(filepath=str(tmp_path / "trials.log")).load()
