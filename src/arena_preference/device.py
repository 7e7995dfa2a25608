"""The devices that run models and the floating-point type they run in, chosen by what the machine supports."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

# PyTorch takes seconds to import, and parameters need only the names of devices and dtypes.
if TYPE_CHECKING:
    import torch

RequestedDevice = Literal["auto", "cpu", "cuda", "mps"]
RequestedDtype = Literal["auto", "float32", "bfloat16", "float16"]

# The first CUDA capability with bfloat16 matrix units (Ampere); older GPUs emulate bfloat16 slowly.
_AMPERE: Final = (8, 0)


def select_devices(requested: RequestedDevice) -> "list[torch.device]":
    """Return the devices that share the work.

    Args:
        requested: ``auto`` selects CUDA, else MPS, else the CPU; a name selects that kind of device or fails.

    Returns:
        All CUDA devices (``CUDA_VISIBLE_DEVICES`` restricts them), or the MPS device, or the CPU.

    Raises:
        RuntimeError: If the named kind of device is missing. A silent fallback to the CPU could take days.
    """
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kind = next(name for name, usable in available.items() if usable) if requested == "auto" else requested
    if not available[kind]:
        raise RuntimeError(
            f"PyTorch {torch.__version__} finds no device of the requested kind '{kind}'. Install a build of PyTorch "
            "and a driver for it, or set the parameter device to auto or cpu."
        )
    if kind == "cuda":
        return [torch.device(kind, number) for number in range(torch.cuda.device_count())]
    return [torch.device(kind)]


def select_dtype(devices: "Sequence[torch.device]", requested: RequestedDtype) -> "torch.dtype":
    """Return the floating-point type of weights and matrix products.

    Args:
        devices: Devices of one kind.
        requested: A name selects that type. ``auto`` selects, on CUDA, bfloat16 if every device has compute capability
            8.0, else float16; on MPS float16; on a CPU bfloat16 if the processor has instructions for it, else float32.
            Whether bfloat16 is faster on that CPU and accurate enough depends on the model.
    """
    import torch

    if requested != "auto":
        return getattr(torch, requested)
    if devices[0].type == "cuda":
        capability = min(torch.cuda.get_device_capability(device) for device in devices)
        return torch.bfloat16 if capability >= _AMPERE else torch.float16
    if devices[0].type == "mps":
        return torch.float16
    return torch.bfloat16 if has_bfloat16_instructions() else torch.float32


def has_bfloat16_instructions() -> bool:
    """True if the CPU multiplies bfloat16 matrices in hardware (x86: AVX512_BF16 or AMX; Arm: BF16)."""
    import torch

    if hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    # Older releases of PyTorch have only these predicates, the oldest none; then float32 is the safe choice.
    predicates = (getattr(torch.cpu, name, bool) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(predicate() for predicate in predicates)


def avoid_cudnn_attention() -> None:
    """Exclude cuDNN from PyTorch's implementations of attention, in this process, on any device.

    PyTorch prefers cuDNN on some GPUs. It compiles a plan for every new shape of a batch in every thread, and batches
    of texts have hundreds of shapes.
    """
    import torch

    torch.backends.cuda.enable_cudnn_sdp(False)
