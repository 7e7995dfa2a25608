from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModel

from arena_preference.pipelines.embedding import text_model
from arena_preference.pipelines.embedding.text_model import slide_windows, truncate_middle

from .conftest import MakeModel
from .test_encoder import load


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(st.integers(1, 40))
    return size, draw(st.integers(0, size - 1))


@given(length=st.integers(0, 300), size_and_stride=sizes())
def test_windows_cover_every_token_in_order_and_overlap_by_the_stride(
    length: int, size_and_stride: tuple[int, int]
) -> None:
    size, stride = size_and_stride
    tokens = np.arange(length, dtype=np.int32)
    windows = slide_windows(tokens, size, stride)
    assert all(len(window) == size for window in windows[:-1])
    assert len(windows[-1]) <= size
    np.testing.assert_array_equal(np.concatenate([windows[0], *(window[stride:] for window in windows[1:])]), tokens)
    for before, after in pairwise(windows):
        np.testing.assert_array_equal(before[len(before) - stride :], after[:stride])
        # None of them consists of the overlap alone.
        assert len(after) > stride


@given(length=st.integers(0, 300), size_and_tail=sizes())
def test_a_truncated_text_keeps_its_start_and_its_end(length: int, size_and_tail: tuple[int, int]) -> None:
    size, tail = size_and_tail
    tokens = np.arange(length, dtype=np.int32)
    kept = truncate_middle(tokens, size, tail)
    if length <= size:
        np.testing.assert_array_equal(kept, tokens)
        return
    assert kept.tolist() == [*range(size - tail), *range(length - tail, length)]


@pytest.mark.parametrize(
    ("installed", "supported", "tried"),
    [
        (False, True, [None]),
        (True, True, ["flash_attention_2"]),
        (True, False, ["flash_attention_2", None]),
    ],
)
def test_flash_attention_is_used_on_cuda_if_installed_and_supported(
    monkeypatch: pytest.MonkeyPatch, mean_encoder: Path, installed: bool, supported: bool, tried: list[str | None]
) -> None:
    monkeypatch.setattr(text_model, "is_flash_attn_2_available", lambda: installed)
    # The weights stay on the CPU: there may be no GPU here.
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, _: self)
    load_on_cpu = AutoModel.from_pretrained
    requested: list[str | None] = []

    def from_pretrained(*args: Any, attn_implementation: str | None = None, **kwargs: Any) -> Any:
        requested.append(attn_implementation)
        if attn_implementation and not supported:
            raise ValueError("not supported by this model")
        return load_on_cpu(*args, **kwargs)

    monkeypatch.setattr(AutoModel, "from_pretrained", from_pretrained)
    load(mean_encoder, torch.bfloat16, devices=[torch.device("cuda:0")])
    assert requested == tried
    requested.clear()
    load(mean_encoder, torch.bfloat16)
    assert requested == [None]


def test_loading_a_model_switches_cudnn_attention_off(mean_encoder: Path) -> None:
    torch.backends.cuda.enable_cudnn_sdp(True)
    load(mean_encoder)
    assert not torch.backends.cuda.cudnn_sdp_enabled()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("kind", "padding_side"), [("bert", "left"), ("qwen3", "right"), ("gpt2", "left")])
def test_rounding_is_no_sign_of_a_model_that_reads_padding(
    make_encoder: MakeModel, kind: str, padding_side: str, dtype: torch.dtype
) -> None:
    load(make_encoder(kind, padding_side=padding_side), dtype).check_padding()


@pytest.mark.parametrize("max_tokens", [4, 64])
def test_an_encoder_that_reads_padding_is_an_error(make_encoder: MakeModel, max_tokens: int) -> None:
    encoder = load(make_encoder("fnet"), max_tokens=max_tokens, stride=0)
    with pytest.raises(ValueError, match=r"\d %.* embedding.encoder.model"):
        encoder.check_padding()
