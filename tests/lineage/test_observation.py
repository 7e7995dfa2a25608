"""Watching nodes wherever they run."""

import logging
import pickle
import time
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import fsspec
import pytest
from kedro.pipeline import Pipeline, node

from arena_preference.lineage.observation import NodeObserver
from arena_preference.lineage.storage import StoredPath


def grow(megabytes):
    block = bytearray(megabytes * 2**20)
    # Long enough to be seen on a busy machine.
    time.sleep(0.3)
    return len(block)


def count(number):
    yield from range(number)


def fail(number):
    raise ArithmeticError(number)


@pytest.fixture
def nodes() -> Pipeline:
    return Pipeline(
        [
            node(grow, "megabytes", "size", name="grow"),
            node(count, "number", "numbers", name="count"),
            node(fail, "number", "nothing", name="fail"),
        ]
    )


@pytest.fixture
def journal(tmp_path: Path) -> StoredPath:
    return StoredPath(fsspec.filesystem("file"), str(tmp_path / "journal"))


def test_the_seconds_of_a_node_that_is_run_part_by_part_are_added_up(nodes: Pipeline, journal: StoredPath) -> None:
    observer = NodeObserver(nodes, journal)
    observer.start({})
    growing = next(node for node in nodes.nodes if node.name == "grow")
    for megabytes in (1, 200, 1):
        growing.run({"megabytes": megabytes})
    costs = observer.stop()
    assert set(costs) == {"grow"}
    # Each sleeps 0.3 s.
    assert costs["grow"].seconds >= 0.9
    assert costs["grow"].peak_memory > 200 * 2**20


def test_seconds_and_memory_are_noted_also_of_streams_and_of_what_fails(nodes: Pipeline, journal: StoredPath) -> None:
    functions = [node.func for node in nodes.nodes]
    observer = NodeObserver(nodes, journal)
    observer.start({})
    by_name = {node.name: node for node in nodes.nodes}
    assert by_name["grow"].run({"megabytes": 200}) == {"size": 200 * 2**20}
    assert list(by_name["count"].run({"number": 2})["numbers"]) == [0, 1]
    with pytest.raises(ArithmeticError):
        by_name["fail"].run({"number": 1})
    costs = observer.stop()
    assert not journal.exists()
    assert set(costs) == {"grow", "count", "fail"}
    assert all(cost.seconds >= 0 and cost.peak_memory > 2**20 for cost in costs.values())
    assert costs["grow"].peak_memory > 200 * 2**20
    assert [node.func for node in nodes.nodes] == functions


def test_each_input_with_versions_is_logged(nodes: Pipeline, journal: StoredPath, caplog) -> None:
    observer = NodeObserver(nodes, journal)
    observer.start({"megabytes": "1", "elsewhere": "2"})
    with caplog.at_level(logging.INFO):
        for each in nodes.nodes:
            if each.name == "grow":
                each.run({"megabytes": 1})
    assert [message for message in caplog.messages if "loaded" in message] == ["grow has loaded megabytes, version 1"]
    observer.stop()


def test_a_run_of_which_no_node_began_has_no_costs(nodes: Pipeline, journal: StoredPath) -> None:
    observer = NodeObserver(nodes, journal)
    observer.start({})
    assert observer.stop() == {}


def test_observed_functions_keep_their_name_on_the_way_to_another_process(nodes: Pipeline, journal: StoredPath) -> None:
    observer = NodeObserver(nodes, journal)
    observer.start({})
    for each in nodes.nodes:
        sent = pickle.loads(ForkingPickler.dumps(each))  # noqa: S301
        assert sent.func.__name__ == each.name
    observer.stop()
