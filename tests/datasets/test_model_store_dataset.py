import threading
from pathlib import Path

import pytest
from kedro.io.core import DatasetError

from arena_preference.datasets import ModelStore, ModelStoreDataset


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStoreDataset(filepath=str(tmp_path / "store")).load()


def put(store: ModelStore, key: str, content: str = "weights") -> None:
    with store.work_on(key) as folder:
        (folder / "checkpoint").write_text("half")
        (folder / "model").mkdir()
        (folder / "model" / "weights").write_text(content)
        store.finish(key, folder / "model")


def test_a_model_is_there_when_it_is_finished_and_what_it_was_made_with_is_not(store: ModelStore) -> None:
    assert store.find("one") is None
    put(store, "one")
    found = store.find("one")
    assert found is not None
    assert [path.name for path in found.iterdir()] == ["weights"]
    assert [path.name for path in store.path.iterdir() if path.is_dir()] == ["one"]


def test_work_that_was_interrupted_is_found_again_and_is_no_model(store: ModelStore) -> None:
    def work() -> None:
        with store.work_on("one") as folder:
            (folder / "checkpoint").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert store.find("one") is None
    with store.work_on("one") as folder:
        assert (folder / "checkpoint").read_text() == "half"


def test_who_makes_the_same_model_waits_and_finds_it(store: ModelStore) -> None:
    found = []

    def ask() -> None:
        with ModelStore(store.path).work_on("one"):
            found.append(store.find("one"))

    with store.work_on("one") as folder:
        other = threading.Thread(target=ask)
        other.start()
        other.join(timeout=0.2)
        assert other.is_alive()
        (folder / "model").mkdir()
        store.finish("one", folder / "model")
    other.join()
    assert found == [store.path / "one"]


def test_the_hash_tells_of_every_change(store: ModelStore) -> None:
    put(store, "one")
    put(store, "two", "others")
    first = store.hash("one")
    assert first == store.hash("one") != store.hash("two")
    (store.path / "one" / "weights").rename(store.path / "one" / "renamed")
    assert store.hash("one") != first


def test_saving_is_refused(tmp_path: Path) -> None:
    dataset = ModelStoreDataset(filepath=str(tmp_path / "store"))
    assert not dataset.exists()
    with pytest.raises(DatasetError, match="written by training alone"):
        dataset.save({})
    put(dataset.load(), "one")
    assert dataset.exists()
