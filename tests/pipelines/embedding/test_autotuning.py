from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from arena_preference.pipelines.embedding.autotuning import MIN_COSINE, compare_models, load_in_best_dtype
from arena_preference.pipelines.embedding.encoder import Encoder
from arena_preference.pipelines.embedding.reward_model import RewardModel

from .conftest import MakeModel
from .test_encoder import CPU, load

GPU = torch.device("cuda:0")


def test_rounding_is_accepted_and_another_encoder_is_not(mean_encoder: Path, make_encoder: MakeModel) -> None:
    encoder = load(mean_encoder)
    cosine, _ = compare_models(encoder, load(mean_encoder, torch.bfloat16))
    assert MIN_COSINE <= cosine < 1
    cosine, _ = compare_models(encoder, load(make_encoder(seed=1)))
    assert cosine < MIN_COSINE


def test_scores_are_compared_by_their_correlation(reward_model: Path) -> None:
    exact, rounded = (RewardModel(reward_model, [CPU], dtype, 400, 300) for dtype in (torch.float32, torch.bfloat16))
    cosine, speed_up = compare_models(exact, rounded)
    assert 0.99 < cosine < 1
    assert speed_up > 0


def test_numbers_that_are_not_finite_are_rejected(mean_encoder: Path) -> None:
    class Overflowing(Encoder):
        def compute(self, *_: Any) -> Any:
            raise FloatingPointError

    encoder = load(mean_encoder)
    broken = Overflowing.__new__(Overflowing)
    broken.__dict__.update(vars(encoder))
    assert compare_models(encoder, broken)[0] == -1


def make(dtype: torch.dtype) -> Any:
    return SimpleNamespace(dtype_name=str(dtype).removeprefix("torch."))


def measured(cosine: float, speed_up: float) -> Callable[..., tuple[float, float]]:
    return lambda *_: (cosine, speed_up)


def fail(*_: Any) -> Any:
    raise AssertionError("models were compared")


@pytest.fixture
def bfloat16_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arena_preference.device.has_bfloat16_instructions", lambda: True)


@pytest.mark.usefixtures("bfloat16_cpu")
@pytest.mark.parametrize(
    ("cosine", "speed_up", "selected"),
    [(0.9995, 2.0, "bfloat16"), (0.9985, 2.0, "float32"), (0.9995, 0.9, "float32"), (-1.0, 0.0, "float32")],
)
def test_a_cpu_uses_bfloat16_only_if_it_is_faster_and_accurate(cosine: float, speed_up: float, selected: str) -> None:
    model = load_in_best_dtype(make, [CPU], "auto", None, compare=measured(cosine, speed_up))
    assert model.dtype_name == selected


@pytest.mark.parametrize(
    ("device", "requested", "stored", "instructions", "selected"),
    [
        # A collection keeps the dtype that it was started in.
        ("cpu", "auto", "bfloat16", True, "bfloat16"),
        ("cpu", "auto", "float32", True, "float32"),
        # Unless the processor lacks the instructions, or another kind of device is used.
        ("cpu", "auto", "bfloat16", False, "float32"),
        ("cuda:0", "auto", "float32", True, "bfloat16"),
        # A named dtype is used as it is.
        ("cpu", "bfloat16", "float32", False, "bfloat16"),
        ("cpu", "float32", "bfloat16", True, "float32"),
    ],
)
def test_other_cases_need_no_comparison(
    monkeypatch: pytest.MonkeyPatch, device: str, requested: Any, stored: str | None, instructions: bool, selected: str
) -> None:
    monkeypatch.setattr("arena_preference.device.has_bfloat16_instructions", lambda: instructions)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    model = load_in_best_dtype(make, [torch.device(device)], requested, stored, compare=fail)
    assert model.dtype_name == selected


@pytest.mark.usefixtures("bfloat16_cpu")
def test_a_collection_that_a_gpu_started_in_float16_does_not_decide() -> None:
    assert load_in_best_dtype(make, [CPU], "auto", "float16", compare=measured(1.0, 2.0)).dtype_name == "bfloat16"
    with pytest.raises(AssertionError, match="compared"):
        load_in_best_dtype(make, [CPU], "auto", "float16", compare=fail)
