import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoost, CatBoostClassifier
from kedro.io.core import DatasetError, Version
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import FunctionTransformer

from arena_preference.datasets import CatBoostDataset, SafetensorsDataset, SkopsDataset
from arena_preference.datasets.path_dataset import FileDataset

EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


@pytest.fixture
def model(model_input: pd.DataFrame, battles: pd.DataFrame) -> CatBoost:
    model = CatBoostClassifier(
        loss_function="MultiClass", iterations=5, depth=2, allow_writing_files=False, verbose=False
    )
    return model.fit(model_input.drop(columns="id"), battles["label"])


def test_a_catboost_model_keeps_its_names_scale_and_predictions(
    tmp_path: Path, model: CatBoost, model_input: pd.DataFrame
) -> None:
    model.set_scale_and_bias(0.5, [0.0, 0.0, 0.1])
    dataset = CatBoostDataset(filepath=str(tmp_path / "model.cbm"))
    dataset.save(model)
    loaded = dataset.load()
    features = model_input.drop(columns="id")
    assert loaded.feature_names_ == list(features.columns)
    np.testing.assert_array_equal(
        loaded.predict(features, prediction_type="RawFormulaVal"),
        model.predict(features, prediction_type="RawFormulaVal"),
    )


def test_safetensors_arrays_keep_their_shape_and_dtype(tmp_path: Path) -> None:
    arrays = {
        "half": np.ones((2, 3), dtype=np.float16),
        "turned": np.arange(6.0).reshape(2, 3).T,
        "ids": np.array([2**40]),
    }
    dataset = SafetensorsDataset(filepath=str(tmp_path / "arrays.safetensors"))
    dataset.save(arrays)
    loaded = dataset.load()
    assert set(loaded) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].dtype == array.dtype


def test_a_skops_object_stays_fitted(tmp_path: Path) -> None:
    texts = ["one fish", "two fish"]
    vectorizer = TfidfVectorizer().fit(texts)
    dataset = SkopsDataset(filepath=str(tmp_path / "vectorizer.skops"))
    dataset.save(vectorizer)
    np.testing.assert_array_equal(dataset.load().transform(texts).toarray(), vectorizer.transform(texts).toarray())


def test_skops_leaves_out_what_takes_long_to_import_only_where_it_is_imported() -> None:
    code = (
        "import sys; from arena_preference.datasets import SkopsDataset\n"
        "assert not {'torch', 'dask'} & sys.modules.keys(), sys.modules.keys()\n"
        "import torch, dask"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


class ForeignType:
    """A type that skops has no reason to trust."""


def test_skops_file_with_a_foreign_type_is_rejected_by_name(tmp_path: Path) -> None:
    dataset = SkopsDataset(filepath=str(tmp_path / "object.skops"))
    dataset.save(ForeignType())
    with pytest.raises(DatasetError, match="ForeignType"):
        dataset.load()


def test_skops_file_that_would_call_a_function_is_rejected_by_its_name(tmp_path: Path) -> None:
    dataset = SkopsDataset(filepath=str(tmp_path / "object.skops"))
    dataset.save(FunctionTransformer(os.system))
    with pytest.raises(DatasetError, match=r"object\.skops .*system"):
        dataset.load()


@pytest.mark.parametrize("kind", [CatBoostDataset, SafetensorsDataset, SkopsDataset])
@pytest.mark.parametrize("content", [b"", b"half a file", EMPTY_ZIP])
def test_a_file_of_another_kind_is_rejected_with_its_path_and_a_suggestion(
    tmp_path: Path, kind: type[FileDataset], content: bytes
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"{path} .* {kind.__name__} .*Run the pipeline"):
        kind(filepath=str(path)).load()


def test_a_truncated_model_is_rejected(tmp_path: Path, model: CatBoost) -> None:
    dataset = CatBoostDataset(filepath=str(tmp_path / "model.cbm"))
    dataset.save(model)
    content = (tmp_path / "model.cbm").read_bytes()
    (tmp_path / "model.cbm").write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match=r"model\.cbm .* CatBoostDataset"):
        dataset.load()


def test_each_version_is_a_separate_file(tmp_path: Path) -> None:
    path = str(tmp_path / "arrays.safetensors")
    for version in ("first", "second"):
        SafetensorsDataset(filepath=path, version=Version(None, version)).save({"x": np.array([len(version)])})
    assert (tmp_path / "arrays.safetensors" / "first" / "arrays.safetensors").is_file()
    assert SafetensorsDataset(filepath=path, version=Version("first", None)).load()["x"] == len("first")
    assert SafetensorsDataset(filepath=path, version=Version(None, None)).load()["x"] == len("second")
    assert SafetensorsDataset(filepath=path, version=Version(None, None)).exists()
    assert not SafetensorsDataset(filepath=str(tmp_path / "other"), version=Version(None, None)).exists()


def test_a_save_that_fails_keeps_the_old_file_and_leaves_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    dataset = SafetensorsDataset(filepath=str(path))
    dataset.save({"x": np.zeros(3)})
    whole = path.read_bytes()

    def fail(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DatasetError, match="no space left"):
        dataset.save({"x": np.ones(3)})
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == whole
