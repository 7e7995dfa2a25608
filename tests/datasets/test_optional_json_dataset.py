from pathlib import Path

import pytest
from kedro.io.core import DatasetError

from arena_preference.datasets import OptionalJSONDataset


def test_an_absent_file_is_an_empty_object_and_a_present_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    dataset = OptionalJSONDataset(filepath=str(path))
    assert dataset.load() == {}
    assert not dataset.exists()
    path.write_text('{"train": {"battles": 3}}')
    assert dataset.load() == {"train": {"battles": 3}}
    assert dataset.exists()
    assert str(path) in str(dataset)


@pytest.mark.parametrize(("content", "complaint"), [("{", "is not JSON"), ("[1]", "holds no JSON object")])
def test_a_damaged_file_is_named(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "summary.json"
    path.write_text(content)
    with pytest.raises(DatasetError, match=rf"summary.json {complaint}"):
        OptionalJSONDataset(filepath=str(path)).load()


def test_it_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="only read"):
        OptionalJSONDataset(filepath=str(tmp_path / "summary.json")).save({})
