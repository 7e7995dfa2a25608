import logging
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from threading import Barrier, Lock
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from arena_preference.pipelines.embedding.inference import Throughput, Workers, plan_batches, plan_shards, run_model
from arena_preference.pipelines.embedding.model_inputs import PrefixedText
from arena_preference.pipelines.embedding.text_model import TextModel, Vectors, Window

from .test_encoder import CPU, LONG, TEXTS, load

LENGTHS = st.lists(st.integers(0, 500), min_size=1, max_size=60)


@given(lengths=LENGTHS, batch_tokens=st.integers(1, 800))
def test_batches_keep_to_the_budget_and_contain_each_window_once(lengths: list[int], batch_tokens: int) -> None:
    batches = list(plan_batches(lengths, batch_tokens))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= batch_tokens
        assert len({lengths[index] for index in batch}) == 1
    longest = [lengths[batch[0]] for batch in batches]
    assert longest == sorted(longest, reverse=True)


@given(lengths=LENGTHS, shard_characters=st.integers(1, 800), data=st.data())
def test_shards_are_planned_the_same_when_some_of_them_are_stored(
    lengths: list[int], shard_characters: int, data: st.DataObject
) -> None:
    shards = [tuple(shard) for shard in plan_shards(lengths, shard_characters)]
    assert sorted(row for shard in shards for row in shard) == list(range(len(lengths)))
    # In any order: a stored shard may have been corrupted.
    done = data.draw(st.sets(st.sampled_from(range(len(shards)))))
    left = sorted(row for number, shard in enumerate(shards) if number not in done for row in shard)
    again = plan_shards([lengths[row] for row in left], shard_characters)
    expected = [shard for number, shard in enumerate(shards) if number not in done]
    assert [tuple(left[row] for row in shard) for shard in again] == expected


def run(model: TextModel, texts: Sequence[str], **changes: Any) -> tuple[dict[str, np.ndarray], Throughput]:
    settings = {"workers": 1, "batch_tokens": 256, "shard_characters": 10**6} | changes
    throughput = Throughput("stand-in", settings.get("log_interval", 30.0))
    found: dict[str, np.ndarray] = {}
    with Workers(model, settings["workers"], settings["batch_tokens"]) as workers:
        inputs: list[PrefixedText] = [("", text) for text in texts]
        for rows, vectors in run_model(model, inputs, workers, settings["shard_characters"], throughput):
            found.update({texts[row]: vector for row, vector in zip(rows, vectors, strict=True)})
    return found, throughput


MANY = [
    *TEXTS,
    LONG,
    "猫 🐈",
    *(" ".join(["river"] * number) + end for number in range(12) for end in (" sea", " boat")),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "changes",
    [
        {"batch_tokens": 1},
        {"batch_tokens": 10_000},
        {"shard_characters": 1},
        {"shard_characters": 50},
        {"workers": 2},
        {"workers": 3, "batch_tokens": 64, "shard_characters": 30},
    ],
)
def test_batches_shards_and_workers_change_no_byte_and_no_mapping(
    mean_encoder: Path, changes: dict[str, int], dtype: torch.dtype
) -> None:
    encoder = load(mean_encoder, dtype)
    expected, throughput = run(encoder, MANY)
    found, other = run(encoder, MANY, **changes)
    assert found.keys() == expected.keys() == set(MANY)
    for text in MANY:
        np.testing.assert_array_equal(found[text], expected[text])
    assert throughput.tokens == other.tokens


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_texts_vector_does_not_depend_on_what_it_is_embedded_with(mean_encoder: Path, dtype: torch.dtype) -> None:
    encoder = load(mean_encoder, dtype)
    together, _ = run(encoder, MANY)
    for text in MANY:
        alone, _ = run(encoder, [text])
        np.testing.assert_array_equal(alone[text], together[text])


class StandIn(TextModel):
    """Its vector of a text is the length; it pads nothing, and its devices have room for so many tokens at a time."""

    max_tokens = 0
    max_characters = np.inf

    def __init__(self, devices: Sequence[torch.device], room: int) -> None:
        self.devices = list(devices)
        self.room = room
        self.batches: Counter[tuple[torch.device, int]] = Counter()
        self._lock = Lock()
        self.meeting: Barrier | None = None

    def make_input(self, text: str) -> PrefixedText:
        return "", text

    def tokenize(self, inputs: Sequence[PrefixedText]) -> list[list[Window]]:
        return [[Window(np.zeros(len(text), np.int32), len(text), 0)] for _, text in inputs]

    def compute(self, windows: Sequence[Window], device: torch.device) -> Vectors:
        size = len(windows) * max(len(window.tokens) for window in windows)
        if self.meeting:
            self.meeting.wait(timeout=30)
        if size > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        with self._lock:
            self.batches[device, size] += 1
        return np.array([[len(window.tokens)] for window in windows], dtype=np.float32)

    def combine(self, windows: Sequence[Window], vectors: Vectors) -> Vectors:
        return vectors[0]

    def _pool(self, output: Any, mask: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


def test_out_of_memory_halves_the_budget(caplog: pytest.LogCaptureFixture) -> None:
    model = StandIn([CPU], room=60)
    texts = ["x" * 9 + str(number) for number in range(10)]
    with caplog.at_level(logging.WARNING):
        found, _ = run(model, texts, batch_tokens=200, shard_characters=70)
    assert {text: len(text) for text in texts} == {text: int(vector[0]) for text, vector in found.items()}
    assert max(size for _, size in model.batches) <= 60
    # Logged once for each halving, and not for every batch that was planned before.
    (record,) = caplog.records
    assert record.args == (CPU, 70, 35)


def test_a_single_text_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(MemoryError, match=r"cpu .* 80 tokens.* max_tokens"):
        run(StandIn([CPU], room=60), ["x" * 80, "y"])


def test_other_errors_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    model = StandIn([CPU], room=60)

    def fail(*_: Any) -> Vectors:
        raise RuntimeError("device-side assert triggered")

    monkeypatch.setattr(model, "compute", fail)
    with pytest.raises(RuntimeError, match="device-side assert"):
        run(model, ["x"])


def test_several_devices_compute_at_the_same_time() -> None:
    devices = [torch.device("cuda:0"), torch.device("cuda:1")]
    model = StandIn(devices, room=60)
    # Four threads have to wait for each other before any of them continues.
    model.meeting = Barrier(4)
    texts = ["x" * 10 + str(number) for number in range(8)]
    with Workers(model, None, 11) as workers:
        inputs = [model.make_input(text) for text in texts]
        ((rows, vectors),) = run_model(model, inputs, workers, 10**6, Throughput("stand-in"))
    assert sorted(rows) == list(range(8))
    assert vectors[:, 0].tolist() == [11] * 8
    assert model.batches == {(device, 11): 4 for device in devices}


def test_an_error_or_an_early_end_restores_the_number_of_threads() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        model = StandIn([CPU], room=60)
        with pytest.raises(MemoryError):
            run(model, ["x" * 80])
        assert torch.get_num_threads() == 2
        with Workers(model, 2, 10) as workers:
            next(run_model(model, [("", "a"), ("", "b")], workers, 1, Throughput("stand-in")))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_next_shard_is_computed_while_the_caller_stores_one() -> None:
    model = StandIn([CPU], room=60)
    with Workers(model, 1, 10) as workers:
        shards = run_model(model, [("", text) for text in "abc"], workers, 1, Throughput("stand-in"))
        next(shards)
        last = workers.submit(workers.compute, [Window(np.zeros(1, np.int32), 1, 0)])
        last.result(timeout=30)
        # The only worker takes batches in turn: the second shard's came before the one submitted here.
        assert sum(model.batches.values()) == 3


def test_progress_is_logged_with_speed_and_time_left(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="arena_preference.pipelines.embedding")
    run(StandIn([CPU], room=60), ["a", "bb", "ccc"], shard_characters=1, log_interval=0.0)
    messages = [record.getMessage() for record in caplog.records]
    assert [re.findall(r"\d+ %", message) for message in messages] == [["50 %"], ["83 %"], ["100 %"]]
    assert all(re.search(r"\d+ tokens/s.* \d:\d\d:\d\d left", message) for message in messages)
    caplog.clear()
    run(StandIn([CPU], room=60), ["a", "bb", "ccc"], shard_characters=1)
    assert not caplog.records


def test_only_the_text_that_is_read_counts_as_progress(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="arena_preference.pipelines.embedding")
    model = StandIn([CPU], room=10**4)
    model.max_characters = 10
    run(model, ["a" * 1000, "b" * 10], shard_characters=1, log_interval=0.0)
    assert [re.findall(r"\d+ %", record.getMessage()) for record in caplog.records] == [["50 %"], ["100 %"]]
