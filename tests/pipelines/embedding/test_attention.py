from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from arena_preference.pipelines.embedding import attention
from arena_preference.pipelines.embedding.attention import UNFUSED_ATTENTION, attend_unfused

from .test_encoder import CPU, cosines, load

BATCH, HEADS, WIDTH, DIMENSIONS = 3, 4, 9, 8
SCALING = DIMENSIONS**-0.5


def make_states(heads: int = HEADS) -> torch.Tensor:
    return torch.randn(BATCH, WIDTH, heads * DIMENSIONS).view(BATCH, WIDTH, heads, DIMENSIONS).transpose(1, 2)


def make_padding_mask() -> torch.Tensor:
    seen = torch.arange(WIDTH) < torch.tensor([WIDTH, 5, 1])[:, None]
    return seen[:, None, None, :].expand(BATCH, 1, WIDTH, WIDTH)


def make_causal_mask() -> torch.Tensor:
    return torch.ones(WIDTH, WIDTH, dtype=torch.bool).tril().expand(BATCH, 1, WIDTH, WIDTH)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("mask", [None, make_padding_mask(), make_causal_mask()], ids=["none", "padding", "causal"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_unfused_attention_equals_the_fused_kernel(mask: torch.Tensor | None, dtype: torch.dtype) -> None:
    module: Any = SimpleNamespace(is_causal=False)
    states = [make_states().to(dtype) for _ in range(3)]
    ours, weights = attend_unfused(module, *states, mask, scaling=SCALING)
    theirs, _ = sdpa_attention_forward(module, *states, mask, scaling=SCALING)
    assert weights is None
    assert ours.is_contiguous()
    assert ours.shape == (BATCH, WIDTH, HEADS, DIMENSIONS)
    torch.testing.assert_close(ours, theirs, **({} if dtype == torch.float32 else {"atol": 0.02, "rtol": 0.02}))


@pytest.mark.parametrize("case", ["shared keys", "causal without a mask", "no scaling", "position bias", "too large"])
def test_rare_cases_use_the_fused_kernel(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = SimpleNamespace(is_causal=case == "causal without a mask", num_key_value_groups=1)
    query, key, value = (make_states() for _ in range(3))
    kwargs: dict[str, Any] = {} if case == "no scaling" else {"scaling": SCALING}
    if case == "shared keys":
        module.num_key_value_groups = 2
        key, value = make_states(HEADS // 2), make_states(HEADS // 2)
    if case == "position bias":
        kwargs["position_bias"] = torch.randn(1, HEADS, WIDTH, WIDTH)
    if case == "too large":
        monkeypatch.setattr(attention, "MAX_SCORES", BATCH * HEADS * WIDTH**2 - 1)
    monkeypatch.setattr(torch, "bmm", None)
    ours, _ = attend_unfused(module, query, key, value, None, **kwargs)
    theirs, _ = sdpa_attention_forward(module, query, key, value, None, **kwargs)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("kind", ["bert", "qwen3"])
def test_only_models_in_half_precision_on_a_cpu_use_it(make_encoder: Any, kind: str) -> None:
    folder: Path = make_encoder(kind)
    exact, rounded = load(folder), load(folder, torch.bfloat16)
    replicas = [model._replicas[CPU] for model in (exact, rounded)]
    # Older releases of transformers have models that cannot.
    expected = UNFUSED_ATTENTION if replicas[1]._supports_attention_backend else "sdpa"
    assert [replica.config._attn_implementation for replica in replicas] == ["sdpa", expected]
    windows = [of_text[0] for of_text in exact.tokenize([("", text) for text in ("the river", "a boat runs down", "")])]
    together = rounded.compute(windows, CPU)
    alone = np.concatenate([rounded.compute([window], CPU) for window in windows])
    for vectors in (together, alone):
        assert cosines(vectors, exact.compute(windows, CPU)).min() > 0.999
