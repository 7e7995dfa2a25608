"""The devices that compute and the precision they compute in: chosen once, by what the machine can do."""

from collections.abc import Sequence
from typing import Final, Literal

import torch

RequestedDevice = Literal["auto", "cpu", "cuda", "mps"]
RequestedPrecision = Literal["auto", "float32", "bfloat16", "float16"]

_DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# The first CUDA capability with bfloat16 matrix units (Ampere); before it bfloat16 is emulated and slow.
_AMPERE: Final = (8, 0)


def select_devices(requested: RequestedDevice) -> list[torch.device]:
    """Choose the devices that share the work.

    Args:
        requested: ``auto`` takes CUDA, then MPS, then the CPU; a name takes that kind of device or fails.

    Returns:
        All CUDA devices (``CUDA_VISIBLE_DEVICES`` restricts them), or the one MPS device, or the CPU.

    Raises:
        RuntimeError: If the named kind of device is not there. There is no silent fall-back: a run that was meant for a
            GPU would take days.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kind = next(name for name, there in available.items() if there) if requested == "auto" else requested
    if not available[kind]:
        raise RuntimeError(
            f"Device '{kind}' was asked for and PyTorch {torch.__version__} sees none here. Install a build of PyTorch "
            "and a driver for it, or set the parameter device to auto or cpu."
        )
    if kind == "cuda":
        return [torch.device(kind, number) for number in range(torch.cuda.device_count())]
    return [torch.device(kind)]


def select_precision(devices: Sequence[torch.device], requested: RequestedPrecision) -> torch.dtype:
    """Choose the floating-point type of weights and matrix products.

    Args:
        devices: What ``select_devices`` gave.
        requested: ``auto`` takes, on CUDA, bfloat16 where every device has compute capability 8.0 and float16 else; on
            MPS float16; on a CPU bfloat16 where the processor has instructions for it; else float32. A name takes that
            type anywhere.

    Returns:
        The type. Whether bfloat16 is faster on this CPU and keeps the results, a model has to be tried for.
    """
    if requested != "auto":
        return _DTYPES[requested]
    if devices[0].type == "cuda":
        capability = min(torch.cuda.get_device_capability(device) for device in devices)
        return torch.bfloat16 if capability >= _AMPERE else torch.float16
    if devices[0].type == "mps":
        return torch.float16
    return torch.bfloat16 if has_bfloat16_instructions() else torch.float32


def has_bfloat16_instructions() -> bool:
    """Tell whether the CPU multiplies bfloat16 matrices in hardware (x86: AVX512_BF16 or AMX; Arm: BF16)."""
    if hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    # Older releases of PyTorch have these predicates only, the oldest none: then float32 is the safe answer.
    predicates = (getattr(torch.cpu, name, bool) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(predicate() for predicate in predicates)


def avoid_cudnn_attention() -> None:
    """Keep PyTorch's fused attention from being cuDNN's, in this process, whatever the device.

    cuDNN's, which PyTorch prefers on some GPUs, makes a plan for every shape of a batch that a thread has not seen yet.
    Batches of texts come in hundreds of shapes.
    """
    torch.backends.cuda.enable_cudnn_sdp(False)
