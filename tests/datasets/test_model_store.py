import threading
from pathlib import Path

import pytest

from arena_preference.datasets import ModelStore


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store")


def put(store: ModelStore, key: str, content: str = "weights") -> None:
    with store.work_on(key) as folder:
        (folder / "checkpoint").write_text("half")
        (folder / "model").mkdir()
        (folder / "model" / "weights").write_text(content)
        store.commit(key, folder / "model")


def test_a_committed_model_is_found_and_its_working_folder_is_removed(store: ModelStore) -> None:
    assert store.find("one") is None
    put(store, "one")
    found = store.find("one")
    assert found is not None
    assert [path.name for path in found.iterdir()] == ["weights"]
    assert [path.name for path in store.path.iterdir() if path.is_dir()] == ["one"]


def test_interrupted_work_is_found_again_and_is_not_a_model(store: ModelStore) -> None:
    def work() -> None:
        with store.work_on("one") as folder:
            (folder / "checkpoint").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert store.find("one") is None
    with store.work_on("one") as folder:
        assert (folder / "checkpoint").read_text() == "half"


def test_a_second_process_waits_for_the_first_and_finds_its_model(store: ModelStore) -> None:
    found = []

    def train() -> None:
        with ModelStore(store.path).work_on("one"):
            found.append(store.find("one"))

    with store.work_on("one") as folder:
        other = threading.Thread(target=train)
        other.start()
        other.join(timeout=0.2)
        assert other.is_alive()
        (folder / "model").mkdir()
        store.commit("one", folder / "model")
    other.join()
    assert found == [store.path / "one"]


def test_the_hash_changes_with_every_name_and_content(store: ModelStore) -> None:
    put(store, "one")
    put(store, "two", "others")
    first = store.hash("one")
    assert first == store.hash("one") != store.hash("two")
    (store.path / "one" / "weights").rename(store.path / "one" / "renamed")
    assert store.hash("one") != first
