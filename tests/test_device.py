from typing import Any

import pytest
import torch

from arena_preference import device
from arena_preference.device import select_devices, select_dtype

CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda"), torch.device("mps")


def pretend(monkeypatch: pytest.MonkeyPatch, *, cuda: int = 0, mps: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("available", "selected"),
    [
        ({"cuda": 1, "mps": True}, [torch.device("cuda:0")]),
        ({"cuda": 2}, [torch.device("cuda:0"), torch.device("cuda:1")]),
        ({"mps": True}, [MPS]),
        ({}, [CPU]),
    ],
)
def test_auto_selects_all_devices_of_the_fastest_kind(
    monkeypatch: pytest.MonkeyPatch, available: dict[str, Any], selected: list[torch.device]
) -> None:
    pretend(monkeypatch, **available)
    assert select_devices("auto") == selected


def test_a_named_device_is_preferred_to_a_faster_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda=1, mps=True)
    assert select_devices("cpu") == [CPU]
    assert select_devices("mps") == [MPS]


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_named_device_that_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch, name: Any) -> None:
    pretend(monkeypatch)
    with pytest.raises(RuntimeError, match=rf"'{name}'.* parameter device to auto or cpu"):
        select_devices(name)


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [((9, 0), torch.bfloat16), ((8, 0), torch.bfloat16), ((7, 5), torch.float16), ((6, 0), torch.float16)],
)
def test_cuda_computes_in_bfloat16_from_ampere_on(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert select_dtype([CUDA], "auto") == dtype


def test_the_oldest_of_several_devices_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = torch.device("cuda:0"), torch.device("cuda:1")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5) if device == old else (9, 0))
    assert select_dtype([old, new], "auto") == torch.float16


def test_mps_computes_in_float16() -> None:
    assert select_dtype([MPS], "auto") == torch.float16


@pytest.mark.parametrize(("instructions", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_cpu_computes_in_bfloat16_only_with_instructions_for_it(
    monkeypatch: pytest.MonkeyPatch, instructions: bool, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(device, "has_bfloat16_instructions", lambda: instructions)
    assert select_dtype([CPU], "auto") == dtype


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_a_named_dtype_is_used_on_any_device(name: Any) -> None:
    assert {select_dtype([kind], name) for kind in (CPU, CUDA, MPS)} == {getattr(torch, name)}


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_f": True, "avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({"neon": True, "bf16": True}, True),
        ({"avx512_f": True, "avx512_bf16": False}, False),
        ({}, False),
    ],
)
def test_bfloat16_instructions_are_read_from_the_processor(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert device.has_bfloat16_instructions() is expected


@pytest.mark.parametrize("supported", [True, False])
def test_older_releases_of_torch_have_predicates(monkeypatch: pytest.MonkeyPatch, supported: bool) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: supported, raising=False)
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    assert device.has_bfloat16_instructions() is supported
