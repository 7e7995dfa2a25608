"""Seconds and memory of nodes."""

import errno
import logging
import pickle
import time
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import fsspec
import pytest
from kedro.pipeline import Node, Pipeline

from arena_preference.lineage.profiling import start_profiling, stop_profiling
from arena_preference.lineage.storage import StoredPath


def grow(megabytes):
    block = bytearray(megabytes * 2**20)
    # Longer than it takes to sample the memory on a busy machine.
    time.sleep(0.3)
    return len(block)


def count(number):
    yield from range(number)


def fail(number):
    raise ArithmeticError(number)


@pytest.fixture
def nodes() -> dict[str, Node]:
    return {
        "grow": Node(grow, "megabytes", "size", name="grow"),
        "count": Node(count, "number", "numbers", name="count"),
        "fail": Node(fail, "number", "nothing", name="fail"),
    }


@pytest.fixture
def folder(tmp_path: Path) -> StoredPath:
    return StoredPath(fsspec.filesystem("file"), str(tmp_path / "profiles"))


@pytest.fixture
def pipeline(nodes: dict[str, Node]) -> Pipeline:
    return Pipeline(nodes.values())


def test_functions_generators_and_failures_are_profiled_and_restored(
    nodes: dict[str, Node], pipeline: Pipeline, folder: StoredPath
) -> None:
    start_profiling(pipeline, folder)
    assert nodes["grow"].run({"megabytes": 200}) == {"size": 200 * 2**20}
    assert list(nodes["count"].run({"number": 2})["numbers"]) == [0, 1]
    with pytest.raises(ArithmeticError):
        nodes["fail"].run({"number": 1})
    profiles = stop_profiling(pipeline, folder)
    assert not folder.exists()
    assert set(profiles) == {"grow", "count", "fail"}
    assert all(seconds >= 0 and peak_memory > 2**20 for seconds, peak_memory in profiles.values())
    assert profiles["grow"][0] >= 0.3
    assert profiles["grow"][1] > 200 * 2**20
    assert [nodes[name].func for name in ("grow", "count", "fail")] == [grow, count, fail]


def test_seconds_of_partitions_are_added_and_the_highest_peak_counts(
    nodes: dict[str, Node], pipeline: Pipeline, folder: StoredPath
) -> None:
    start_profiling(pipeline, folder)
    for megabytes in (1, 200, 1):
        nodes["grow"].run({"megabytes": megabytes})
    profiles = stop_profiling(pipeline, folder)
    assert set(profiles) == {"grow"}
    assert profiles["grow"][0] >= 0.9
    assert profiles["grow"][1] > 200 * 2**20


def test_each_successful_node_is_logged_once_after_it_has_run(
    nodes: dict[str, Node], pipeline: Pipeline, folder: StoredPath, caplog: pytest.LogCaptureFixture
) -> None:
    start_profiling(pipeline, folder)
    with caplog.at_level(logging.INFO, logger="arena_preference.lineage"):
        numbers = nodes["count"].run({"number": 2})["numbers"]
        assert "count" not in caplog.text
        list(numbers)
        with pytest.raises(ArithmeticError):
            nodes["fail"].run({"number": 1})
    stop_profiling(pipeline, folder)
    (line,) = (record.message for record in caplog.records if record.name.startswith("arena_preference"))
    assert line.split()[::2] == ["count", "s", "GiB"]


def test_a_run_without_started_nodes_has_no_profiles(pipeline: Pipeline, folder: StoredPath) -> None:
    start_profiling(pipeline, folder)
    assert stop_profiling(pipeline, folder) == {}


def test_a_worker_that_still_writes_its_profile_does_not_hide_the_others(
    nodes: dict[str, Node], pipeline: Pipeline, folder: StoredPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_profiling(pipeline, folder)
    nodes["grow"].run({"megabytes": 1})

    def remove_while_a_file_appears(path: str, recursive: bool) -> None:
        raise OSError(errno.ENOTEMPTY, "Directory not empty", path)

    monkeypatch.setattr(folder.fs, "rm", remove_while_a_file_appears)
    assert set(stop_profiling(pipeline, folder)) == {"grow"}


def test_decorated_functions_keep_their_name_when_they_are_pickled(
    nodes: dict[str, Node], pipeline: Pipeline, folder: StoredPath
) -> None:
    start_profiling(pipeline, folder)
    for name, node in nodes.items():
        sent = pickle.loads(ForkingPickler.dumps(node))  # noqa: S301
        assert sent.func.__name__ == name
    stop_profiling(pipeline, folder)
