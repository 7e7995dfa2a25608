"""The device that computes and the precision it computes in: chosen once, by what the machine can do."""

import time
from functools import cache
from typing import Final, Literal

import torch

RequestedDevice = Literal["auto", "cpu", "cuda", "mps"]
RequestedPrecision = Literal["auto", "float32", "bfloat16", "float16"]

_DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# The first CUDA capability with bfloat16 matrix units (Ampere); before it bfloat16 is emulated and slow.
_AMPERE: Final = (8, 0)
# Rows, inputs and outputs of the timed product: a batch through the feed-forward layer of a small encoder.
_TIMED_SHAPE: Final = (256, 384, 1536)
_TIMED_ROUNDS: Final = 5


def select_device(requested: RequestedDevice) -> torch.device:
    """Choose the device.

    Args:
        requested: ``auto`` takes CUDA, then MPS, then the CPU; a name takes that device or fails.

    Returns:
        The device, the first one of its kind.

    Raises:
        RuntimeError: If the named device is not there. There is no silent fall-back: a run that was meant for a GPU
            would take days.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if requested == "auto":
        return torch.device(next(name for name, there in available.items() if there))
    if not available[requested]:
        raise RuntimeError(
            f"Device '{requested}' was asked for and PyTorch {torch.__version__} sees none here. Install a build of "
            f"PyTorch and a driver for it, or set the parameter device to auto or cpu."
        )
    return torch.device(requested)


def select_precision(device: torch.device, requested: RequestedPrecision) -> torch.dtype:
    """Choose the floating-point type of weights and matrix products.

    Args:
        device: What ``select_device`` gave.
        requested: ``auto`` takes, on CUDA, bfloat16 from compute capability 8.0 and float16 before; on MPS float16; on
            a CPU bfloat16 where the processor has instructions for it and they prove faster; else float32. A name takes
            that type anywhere.

    Returns:
        The type; within one process always the same for the same arguments.
    """
    if requested != "auto":
        return _DTYPES[requested]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= _AMPERE else torch.float16
    if device.type == "mps":
        return torch.float16
    return torch.bfloat16 if has_bfloat16_instructions() and is_bfloat16_faster() else torch.float32


def has_bfloat16_instructions() -> bool:
    """Tell whether the CPU multiplies bfloat16 matrices in hardware (x86: AVX512_BF16 or AMX; Arm: BF16)."""
    if hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    # Older releases of PyTorch have these predicates only, the oldest none: then float32 is the safe answer.
    predicates = (getattr(torch.cpu, name, bool) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(predicate() for predicate in predicates)


@cache
def is_bfloat16_faster() -> bool:
    """Time one matrix product on the CPU in both types: a fraction of a second, once per process.

    The rounds alternate and the fastest counts, so that a load from elsewhere does not decide.
    """
    rows, inputs, outputs = _TIMED_SHAPE
    fastest = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    operands = {
        dtype: (torch.ones(rows, inputs, dtype=dtype), torch.ones(outputs, inputs, dtype=dtype)) for dtype in fastest
    }
    with torch.inference_mode():
        # The first round carries the set-up of the kernels; the fastest one does not.
        for _ in range(_TIMED_ROUNDS):
            for dtype, (batch, weight) in operands.items():
                start = time.perf_counter()
                torch.nn.functional.linear(batch, weight)
                fastest[dtype] = min(fastest[dtype], time.perf_counter() - start)
    return fastest[torch.bfloat16] < fastest[torch.float32]
