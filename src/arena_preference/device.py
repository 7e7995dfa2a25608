"""The device that computes and the precision it computes in: chosen once, by what the machine can do."""

from typing import Final, Literal

import torch

RequestedDevice = Literal["auto", "cpu", "cuda", "mps"]
RequestedPrecision = Literal["auto", "float32", "bfloat16", "float16"]

_DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# The first CUDA capability with bfloat16 matrix units (Ampere); before it bfloat16 is emulated and slow.
_AMPERE: Final = (8, 0)


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
            a CPU bfloat16 where the processor has instructions for it; else float32. A name takes that type anywhere.
            Nothing is timed, so that the load on a machine cannot change what it computes.

    Returns:
        The type, on one machine always the same for the same arguments.
    """
    if requested != "auto":
        return _DTYPES[requested]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= _AMPERE else torch.float16
    if device.type == "mps":
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
