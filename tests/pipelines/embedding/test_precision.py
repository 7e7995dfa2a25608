import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from arena_preference.pipelines.embedding import precision
from arena_preference.pipelines.embedding.models import RewardModel
from arena_preference.pipelines.embedding.precision import LEAST_COSINE, compare_models, load_model

from .conftest import MakeModel
from .test_models import CPU, load, remove_tensor

GPU = torch.device("cuda:0")


def test_rounding_passes_the_trial_and_another_encoder_does_not(make_encoder: MakeModel) -> None:
    encoder = load(make_encoder())
    cosine, _ = compare_models(encoder, load(encoder.folder, torch.bfloat16))
    assert LEAST_COSINE <= cosine < 1
    cosine, _ = compare_models(encoder, load(make_encoder(seed=1)))
    assert cosine < LEAST_COSINE


def test_scores_are_compared_as_a_list(make_reward_model: MakeModel) -> None:
    folder = make_reward_model()
    exact, rounded = (RewardModel(folder, [CPU], dtype, 400, 300) for dtype in (torch.float32, torch.bfloat16))
    cosine, speed_up = compare_models(exact, rounded)
    assert 0.99 < cosine < 1
    assert speed_up > 0


def test_numbers_that_are_not_finite_fail_the_trial(make_encoder: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, broken = load(make_encoder()), load(make_encoder())

    def overflow(*_: Any) -> Any:
        raise FloatingPointError

    monkeypatch.setattr(broken, "compute", overflow)
    assert compare_models(encoder, broken)[0] == -1


def make(dtype: torch.dtype) -> Any:
    return SimpleNamespace(dtype=dtype, precision=str(dtype).removeprefix("torch."))


@pytest.mark.parametrize(
    ("cosine", "speed_up", "taken"),
    [(0.9995, 2.0, "bfloat16"), (0.9985, 2.0, "float32"), (0.9995, 0.9, "float32"), (-1.0, 0.0, "float32")],
)
def test_a_cpu_takes_bfloat16_only_where_it_is_faster_and_keeps_the_vectors(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, cosine: float, speed_up: float, taken: str
) -> None:
    monkeypatch.setattr("arena_preference.device.has_bfloat16_instructions", lambda: True)
    monkeypatch.setattr(precision, "compare_models", lambda *_: (cosine, speed_up))
    with caplog.at_level(logging.INFO):
        assert load_model(make, [CPU], "auto", None).precision == taken
    assert f"{taken} is used" in caplog.text


@pytest.mark.parametrize(
    ("devices", "requested", "stored", "instructions", "taken"),
    [
        # A space goes on in the precision that it was begun in, without another trial.
        ([CPU], "auto", "bfloat16", True, "bfloat16"),
        ([CPU], "auto", "float32", True, "float32"),
        # Where the processor has no such instructions, or another device computes, their own choice goes first.
        ([CPU], "auto", "bfloat16", False, "float32"),
        ([GPU], "auto", "float32", True, "bfloat16"),
        # A name is taken without a trial.
        ([CPU], "bfloat16", "float32", False, "bfloat16"),
        ([CPU], "float32", "bfloat16", True, "float32"),
    ],
)
def test_without_a_trial(
    monkeypatch: pytest.MonkeyPatch,
    devices: list[torch.device],
    requested: Any,
    stored: str | None,
    instructions: bool,
    taken: str,
) -> None:
    def no_trial(*_: Any) -> Any:
        raise AssertionError("tried")

    monkeypatch.setattr("arena_preference.device.has_bfloat16_instructions", lambda: instructions)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(precision, "compare_models", no_trial)
    assert load_model(make, devices, requested, stored).precision == taken


def test_a_store_that_was_begun_on_a_gpu_in_float16_is_no_reason_to_leave_out_the_trial(
    monkeypatch: pytest.MonkeyPatch, mean_encoder: Path
) -> None:
    monkeypatch.setattr("arena_preference.device.has_bfloat16_instructions", lambda: True)
    tried: list[Any] = []
    monkeypatch.setattr(precision, "compare_models", lambda *models: tried.append(models) or (1.0, 2.0))
    assert load_model(make, [CPU], "auto", "float16").precision == "bfloat16"
    assert len(tried) == 1


def test_what_a_trial_loads_is_checked_like_any_model(make_encoder: MakeModel) -> None:
    folder = make_encoder()
    remove_tensor(folder, "encoder.layer.0.attention.self.query.weight")
    with pytest.raises(ValueError, match="lack 1 tensors"):
        load_model(lambda dtype: load(folder, dtype), [CPU], "float32", None)
