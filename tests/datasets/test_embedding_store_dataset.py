import hashlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from fsspec.implementations.local import LocalFileOpener, LocalFileSystem
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner

from arena_preference.datasets import EmbeddingShard, EmbeddingStore, EmbeddingStoreDataset, make_keys
from arena_preference.datasets.embedding_store_dataset import KEY_DTYPE
from arena_preference.pipelines.embedding.model_inputs import make_input_keys

DESCRIPTION = {"kind": "encoder", "files": "0" * 64, "settings": {"pooling": "mean", "query_prefix": "", "tokens": 256}}

# Two values for each byte: keys that agree in their beginning or end in zeros, as hashes rarely do.
EVERY_KIND_OF_KEY = st.lists(st.sampled_from([0, 1]), min_size=16, max_size=16).map(bytes)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda children: st.lists(children, max_size=2) | st.dictionaries(st.text(max_size=3), children, max_size=2),
    max_leaves=4,
)


def make_store(folder: Path | str) -> EmbeddingStore:
    return EmbeddingStoreDataset(filepath=str(folder)).load()


def make_vectors(texts: list[str], dimensions: int = 3, dtype: Any = np.float32) -> np.ndarray:
    """Return a vector for each text, made of its hash."""
    digests = b"".join(hashlib.sha256(text.encode()).digest() for text in texts)
    return np.frombuffer(digests, dtype=np.int16).reshape(len(texts), 16)[:, -dimensions:].astype(dtype)


def make_shard(texts: list[str], description: dict[str, Any] = DESCRIPTION, **vectors: Any) -> EmbeddingShard:
    return EmbeddingShard(description, "float32", make_keys(texts), make_vectors(texts, **vectors))


def list_shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.safetensors"))


@settings(max_examples=40)
@given(
    texts=st.lists(st.text(max_size=20), unique=True, min_size=1, max_size=30),
    dtype=st.sampled_from([np.float16, np.float32]),
    dimensions=st.integers(1, 8),
    data=st.data(),
)
def test_vectors_are_read_in_the_order_of_the_keys(
    texts: list[str], dtype: Any, dimensions: int, data: st.DataObject
) -> None:
    ends = sorted(data.draw(st.lists(st.integers(0, len(texts)), max_size=5), label="shards end at"))
    asked = data.draw(st.lists(st.sampled_from(texts), min_size=1, max_size=60), label="asked for")
    never_added = "".join(texts) + "x" * 21
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(folder)
        for start, end in zip([0, *ends], [*ends, len(texts)], strict=True):
            store.add(make_shard(texts[start:end], dimensions=dimensions, dtype=dtype))
        collection = store.open_collection(DESCRIPTION)
        assert collection.holds(make_keys([*asked, never_added])).tolist() == [True] * len(asked) + [False]
        vectors = collection.read(make_keys(asked))
    assert vectors.dtype == dtype
    np.testing.assert_array_equal(vectors, make_vectors(asked, dimensions, dtype), strict=True)


@settings(max_examples=30)
@given(keys=st.lists(EVERY_KIND_OF_KEY, unique=True, min_size=2, max_size=20), data=st.data())
def test_keys_that_only_differ_in_a_zero_byte_are_distinct(keys: list[bytes], data: st.DataObject) -> None:
    added = data.draw(st.integers(1, len(keys) - 1), label="added")
    every_key = np.array(keys, dtype=KEY_DTYPE)
    vectors = np.arange(len(keys), dtype=np.float32).reshape(-1, 1)
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(folder)
        for row in range(added):
            store.add(EmbeddingShard(DESCRIPTION, "float32", every_key[row : row + 1], vectors[row : row + 1]))
        collection = store.open_collection(DESCRIPTION)
        assert collection.holds(every_key).tolist() == [True] * added + [False] * (len(keys) - added)
        np.testing.assert_array_equal(collection.read(every_key[:added][::-1]), vectors[:added][::-1])


@settings(max_examples=15)
@given(order=st.permutations(range(4)))
def test_the_order_of_writing_does_not_decide_between_two_vectors_of_a_key(order: list[int]) -> None:
    key = make_keys(["the river"])
    # Each shard has the key twice, with vectors that two machines rounded differently.
    shards = [
        EmbeddingShard(DESCRIPTION, "float32", np.repeat(key, 2), np.array([[number], [number + 0.5]], np.float32))
        for number in range(4)
    ]
    with tempfile.TemporaryDirectory() as folder:
        one, other = make_store(f"{folder}/one"), make_store(f"{folder}/other")
        for number in range(4):
            one.add(shards[number])
            other.add(shards[order[number]])
        assert one.open_collection(DESCRIPTION).read(key) == other.open_collection(DESCRIPTION).read(key)


@given(
    sizes=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    kind=st.sampled_from(["flipped", "truncated", "emptied"]),
    data=st.data(),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_corrupted_shard_is_quarantined_and_written_again_under_its_name(
    sizes: list[int], kind: str, data: st.DataObject, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    of_shard = [[f"shard {shard} text {text}" for text in range(size)] for shard, size in enumerate(sizes)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = make_store(folder)
        paths = {}
        for shard, texts in enumerate(of_shard):
            before = set(list_shards(folder))
            store.add(make_shard(texts))
            (paths[shard],) = set(list_shards(folder)) - before
        victim = data.draw(st.integers(0, len(sizes) - 1), label="victim")
        path = paths[victim]
        whole = path.read_bytes()
        corrupted = {"flipped": whole, "truncated": whole[: data.draw(st.integers(1, len(whole) - 1))], "emptied": b""}[
            kind
        ]
        if kind == "flipped":
            position, mask = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(1, 255))
            corrupted = whole[:position] + bytes([whole[position] ^ mask]) + whole[position + 1 :]
        path.write_bytes(corrupted)

        collection = store.open_collection(DESCRIPTION)
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert path.name in caplog.text
        assert not path.exists()
        assert path.with_name(f"{path.name}.corrupted").read_bytes() == corrupted
        assert not collection.holds(make_keys(of_shard[victim])).any()
        others = [text for shard, texts in enumerate(of_shard) if shard != victim for text in texts]
        np.testing.assert_array_equal(collection.read(make_keys(others)), make_vectors(others))

        caplog.clear()
        store.add(make_shard(of_shard[victim]))
        assert path.read_bytes() == whole
        every_text = [text for texts in of_shard for text in texts]
        np.testing.assert_array_equal(
            store.open_collection(DESCRIPTION).read(make_keys(every_text)), make_vectors(every_text)
        )
        assert caplog.records == []


def test_a_corrupted_shard_in_a_read_only_folder_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = make_store(tmp_path)
    store.add(make_shard(["kept"]))
    kept = set(list_shards(tmp_path))
    store.add(make_shard(["corrupted"]))
    (path,) = set(list_shards(tmp_path)) - kept
    path.write_bytes(path.read_bytes()[:-1])

    def reject(*paths: str) -> None:
        raise PermissionError(13, "Permission denied")

    path.parent.chmod(0o555)
    if os.geteuid() == 0:
        # Permissions do not bind the administrator.
        monkeypatch.setattr(LocalFileSystem, "mv", reject)
    try:
        collection = store.open_collection(DESCRIPTION)
    finally:
        path.parent.chmod(0o755)
    assert collection.holds(make_keys(["kept", "corrupted"])).tolist() == [True, False]
    np.testing.assert_array_equal(collection.read(make_keys(["kept"])), make_vectors(["kept"]))
    assert path.exists()
    assert "corrupted" in caplog.text
    assert len(caplog.records) == 2


def test_a_temporary_file_is_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = make_store(tmp_path)
    store.add(make_shard(["whole"]))
    (whole,) = list_shards(tmp_path)
    store.add(make_shard(["half"]))
    (other,) = set(list_shards(tmp_path)) - {whole}
    content = other.read_bytes()
    other.rename(f"{other}.0123.tmp")
    Path(f"{other}.4567.tmp").write_bytes(content[: len(content) // 2])
    collection = store.open_collection(DESCRIPTION)
    assert collection.holds(make_keys(["whole", "half"])).tolist() == [True, False]
    assert caplog.records == []


def test_a_write_that_fails_leaves_nothing_and_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_store(tmp_path)
    store.add(make_shard(["first"]))
    before = sorted(tmp_path.rglob("*"))

    def write_half(opener: LocalFileOpener, content: bytes) -> int:
        opener.f.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LocalFileOpener, "write", write_half)
        with pytest.raises(OSError, match="No space left"):
            store.add(make_shard(["second"]))
    assert sorted(tmp_path.rglob("*")) == before
    store.add(make_shard(["second"]))
    both = ["first", "second"]
    np.testing.assert_array_equal(store.open_collection(DESCRIPTION).read(make_keys(both)), make_vectors(both))


def test_the_same_shard_twice_is_one_file(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    for _ in range(2):
        store.add(make_shard(["the river", "runs"]))
    assert len(list_shards(tmp_path)) == 1


def test_a_strided_slice_of_a_larger_array_is_stored_by_its_values(tmp_path: Path) -> None:
    texts = ["a", "b", "c"]
    turned = np.asfortranarray(make_vectors(texts))[::-1, ::2]
    make_store(tmp_path).add(EmbeddingShard(DESCRIPTION, "float32", make_keys(texts)[::-1], turned))
    np.testing.assert_array_equal(
        make_store(tmp_path).open_collection(DESCRIPTION).read(make_keys(texts)), make_vectors(texts)[:, ::2]
    )


@settings(max_examples=40)
@given(
    description=st.dictionaries(st.text(max_size=5), JSON_VALUES, min_size=1, max_size=4),
    change=st.sampled_from(["change", "add", "remove"]),
    name=st.text(max_size=5),
    value=JSON_VALUES,
)
def test_another_description_never_finds_the_vectors(
    description: dict[str, Any], change: str, name: str, value: Any
) -> None:
    other = dict(description)
    if change == "remove":
        other.popitem()
    else:
        other[next(iter(description)) if change == "change" else name] = value
    # In Python True == 1; in JSON they differ.
    assume(json.dumps(other, sort_keys=True) != json.dumps(description, sort_keys=True))
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(folder)
        store.add(make_shard(["a text"], description))
        assert not store.open_collection(other).holds(make_keys(["a text"])).any()
        assert store.open_collection(other).dtype is None
        reordered = dict(reversed(description.items()))
        np.testing.assert_array_equal(
            store.open_collection(reordered).read(make_keys(["a text"])), make_vectors(["a text"])
        )


def test_order_of_nested_entries_in_a_description_does_not_matter(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    store.add(make_shard(["a text"], {"settings": {"pooling": "mean", "tokens": 256}}))
    assert store.open_collection({"settings": {"tokens": 256, "pooling": "mean"}}).holds(make_keys(["a text"])).all()
    assert (
        not store.open_collection({"settings": {"tokens": 255, "pooling": "mean"}}).holds(make_keys(["a text"])).any()
    )


def test_a_collection_has_its_description_in_words_and_keeps_its_first_dtype(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    description = {**DESCRIPTION, "prefix": "Suche: 猫 Кошка "}
    assert store.open_collection(description).dtype is None
    for number, dtype in enumerate(("bfloat16", "float32")):
        texts = [f"text {number}"]
        store.add(EmbeddingShard(description, dtype, make_keys(texts), make_vectors(texts)))
        assert store.open_collection(description).dtype == "bfloat16"
    (collection_file,) = tmp_path.glob("*/collection.json")
    assert json.loads(collection_file.read_text(encoding="utf-8")) == {"dtype": "bfloat16", "description": description}
    assert "猫" in collection_file.read_text(encoding="utf-8")


def test_inputs_of_any_length_and_script_have_distinct_keys(tmp_path: Path) -> None:
    long = "The river runs down to the sea. " * 1562 + "end of it all..."
    assert len(long) == 50_000
    texts = [
        *("", " ", "\0", "a", "a\0", "A", "a\n", long, long[:-1], long + " "),
        # One accent in two spellings, and a letter of three alphabets.
        *("caf\u00e9", "cafe\u0301", "A", "\u0391", "\u0410"),
        *("猫はマットの上", "القط على الحصيرة", "Кошка на коврике", "👩‍💻", "👩💻", "\ufffd", "\ufeff"),
    ]
    distinct = list(dict.fromkeys(texts))
    keys = make_keys(distinct)
    assert keys.dtype == KEY_DTYPE
    assert len(set(keys.tolist())) == len(distinct) == len(texts) - 1
    store = make_store(tmp_path)
    store.add(make_shard(distinct))
    np.testing.assert_array_equal(store.open_collection(DESCRIPTION).read(make_keys(texts)), make_vectors(texts))


def test_key_of_a_text_is_the_same_on_every_machine() -> None:
    assert make_keys([""])[0] == bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb924")
    assert make_keys([]).shape == (0,)


def test_inputs_with_a_lone_surrogate_have_distinct_keys(tmp_path: Path) -> None:
    inputs = [("", "\ud83d"), ("", "\ude00"), ("", "😀"), ("", "\ufffd"), ("", ""), ("\ud83d", ""), ("", "a\ud83d")]
    keys = make_input_keys(inputs)
    assert len(set(keys.tolist())) == len(inputs)
    vectors = np.arange(len(inputs), dtype=np.float32).reshape(-1, 1)
    store = make_store(tmp_path)
    store.add(EmbeddingShard(DESCRIPTION, "float32", keys, vectors))
    np.testing.assert_array_equal(store.open_collection(DESCRIPTION).read(make_input_keys(inputs[::-1])), vectors[::-1])


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), unique=True, max_size=20))
def test_a_prefix_is_no_part_of_the_text_that_follows_it(inputs: list[tuple[str, str]]) -> None:
    assert len(set(make_input_keys(inputs).tolist())) == len(inputs)
    moved = [(text[:1], prefix + text[1:]) for prefix, text in inputs if prefix and text]
    assume(set(moved).isdisjoint(inputs))
    assert set(make_input_keys(moved).tolist()).isdisjoint(make_input_keys(inputs).tolist())


def test_missing_keys_are_counted_and_the_error_says_what_to_do(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    store.add(make_shard(["a", "b", "c"]))
    collection = store.open_collection(DESCRIPTION)
    with pytest.raises(KeyError, match=r"2 of 4 .*Run the pipeline"):
        collection.read(make_keys(["a", "missing", "c", "lost"]))
    with pytest.raises(KeyError, match="1 of 1"):
        store.open_collection({"kind": "another"}).read(make_keys(["a"]))


WRITER = """
import hashlib, pathlib, sys, time
import numpy as np
from arena_preference.datasets import EmbeddingShard, EmbeddingStoreDataset, make_keys

folder, me, own = sys.argv[1], sys.argv[2], int(sys.argv[3])
dataset = EmbeddingStoreDataset(filepath=folder + "/store")
pathlib.Path(folder, me).touch()
while not pathlib.Path(folder, "go").exists():
    time.sleep(0.001)
for start in [*range(0, 200, 5), *range(own, own + 100, 5)]:
    numbers = range(start, start + 5)
    vectors = np.array([[number, -number] for number in numbers], dtype=np.float32)
    dataset.save(EmbeddingShard({"model": "acme"}, "float32", make_keys([str(n) for n in numbers]), vectors))
    dataset.load().open_collection({"model": "acme"}).read(make_keys([str(n) for n in numbers]))
"""


def test_two_processes_that_add_at_once_lose_nothing(tmp_path: Path) -> None:
    own_numbers = {"one": 200, "other": 300}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), name, str(own)], stderr=subprocess.PIPE, text=True
        )
        for name, own in own_numbers.items()
    ]
    try:
        while not all((tmp_path / name).exists() for name in own_numbers):
            assert [writer.poll() for writer in writers] == [None, None]
            time.sleep(0.001)
        (tmp_path / "go").touch()
        complaints = [writer.communicate(timeout=60)[1] for writer in writers]
    finally:
        for writer in writers:
            writer.kill()
    assert complaints == ["", ""]
    collection = make_store(tmp_path / "store").open_collection({"model": "acme"})
    expected = np.array([[number, -number] for number in range(400)], dtype=np.float32)
    np.testing.assert_array_equal(collection.read(make_keys([str(number) for number in range(400)])), expected)
    # Where they wrote the same shards, there is one file.
    assert len(list_shards(tmp_path / "store")) == 80
    assert {path.suffix for path in (tmp_path / "store").rglob("*") if path.is_file()} == {".safetensors", ".json"}


def add_then_fail(texts: list[str], store: EmbeddingStore) -> Iterator[EmbeddingShard]:
    for text in texts:
        if text == "fail":
            raise RuntimeError("the power is gone")
        if not store.open_collection(DESCRIPTION).holds(make_keys([text])).all():
            yield make_shard([text])


def test_shards_that_a_node_yielded_before_it_failed_are_kept(tmp_path: Path) -> None:
    entry = {"type": "arena_preference.datasets.EmbeddingStoreDataset", "filepath": (tmp_path / "store").as_posix()}

    def run(texts: list[str]) -> DataCatalog:
        catalog = DataCatalog.from_config({"store": entry, "filled_store": entry})
        catalog["texts"] = texts
        node = Node(add_then_fail, inputs=["texts", "store"], outputs="filled_store", name="add_then_fail")
        SequentialRunner().run(Pipeline([node]), catalog)
        return catalog

    with pytest.raises(RuntimeError, match="the power is gone"):
        run(["one", "two", "fail", "three"])
    kept = {path: path.stat().st_mtime_ns for path in list_shards(tmp_path / "store")}
    assert len(kept) == 2
    catalog = run(["one", "two", "three"])
    assert catalog.exists("filled_store")
    after = {path: path.stat().st_mtime_ns for path in list_shards(tmp_path / "store")}
    assert len(after) == 3
    assert kept.items() <= after.items()
    texts = ["three", "one", "two"]
    vectors = catalog.load("filled_store").open_collection(DESCRIPTION).read(make_keys(texts))
    np.testing.assert_array_equal(vectors, make_vectors(texts))


def test_a_store_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    dataset = EmbeddingStoreDataset(filepath=str(tmp_path / "store"), metadata={"layer": "feature"})
    assert not dataset.exists()
    assert not dataset.load().open_collection(DESCRIPTION).holds(make_keys(["a text"])).any()
    assert not (tmp_path / "store").exists()
    dataset.save(make_shard(["a text"]))
    assert dataset.exists()
    assert str(tmp_path / "store") in str(dataset)


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    yield fs
    fs.store.clear()


def test_a_store_in_memory_works_like_one_on_disk(
    memory: fsspec.AbstractFileSystem, caplog: pytest.LogCaptureFixture
) -> None:
    # Kedro takes what follows two slashes for a host.
    dataset = EmbeddingStoreDataset(filepath="memory:///some/store")
    assert not dataset.exists()
    dataset.save(make_shard(["a", "b"], dtype=np.float16))
    assert dataset.exists()
    (path,) = memory.glob("/some/store/*/*.safetensors")
    dataset.save(make_shard(["c"], dtype=np.float16))
    assert len(memory.find("/some/store")) == 3
    asked = ["c", "a", "b", "a"]
    vectors = dataset.load().open_collection(DESCRIPTION).read(make_keys(asked))
    np.testing.assert_array_equal(vectors, make_vectors(asked, dtype=np.float16), strict=True)

    memory.pipe_file(path, memory.cat_file(path)[:-1])
    assert dataset.load().open_collection(DESCRIPTION).holds(make_keys(["a", "b", "c"])).tolist() == [
        False,
        False,
        True,
    ]
    assert memory.exists(f"{path}.corrupted")
    assert "is corrupted" in caplog.text
    dataset.save(make_shard(["a", "b"], dtype=np.float16))
    assert dataset.load().open_collection(DESCRIPTION).holds(make_keys(["a", "b", "c"])).all()


@pytest.mark.parametrize("content", [b"", b'{"dtype', b"{}"])
def test_a_corrupted_collection_file_loses_no_vector(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    store = make_store(tmp_path)
    shard = make_shard(["a", "b"])
    store.add(shard)
    (collection_file,) = tmp_path.glob("*/collection.json")
    collection_file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        collection = store.open_collection(DESCRIPTION)
    assert collection.dtype is None
    assert f"{collection_file} is corrupted" in caplog.text
    np.testing.assert_array_equal(collection.read(shard.keys), shard.vectors)
