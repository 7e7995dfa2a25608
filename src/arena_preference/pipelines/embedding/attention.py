"""Attention for CPUs in half precision, where PyTorch's fused kernel takes twice as long as its separate steps."""

from typing import Any, Final

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

#: Its name in transformers.
UNFUSED_ATTENTION: Final = "arena_preference_unfused"
# The scores grow with the square of the width: at most so many entries of two bytes in each running batch.
MAX_SCORES: Final = 2**26


def attend_unfused(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention as encoders compute it, in two matrix products and a softmax; other cases use the fused kernel.

    The signature is that of transformers' attention functions.

    Args:
        module: The attention layer.
        query: Shape (batch, heads, width, dimensions).
        key: Same shape, unless heads share keys.
        value: Same shape as ``key``.
        attention_mask: True where a token is attended to, shape (batch, 1, width, width); None for all.
        scaling: Factor of the scores.
        is_causal: Whether a token attends to earlier tokens only; a mask says so, too.
        kwargs: Further arguments of transformers' attention functions.

    Returns:
        Shape (batch, width, heads, dimensions), and no attention weights.
    """
    batch, heads, width, _ = query.shape
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    if (
        scaling is None
        or key.shape != query.shape
        or (causal and attention_mask is None)
        or kwargs.get("position_bias") is not None
        or batch * heads * width * width > MAX_SCORES
    ):
        fused: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, is_causal=is_causal, **kwargs
        )
        return fused
    query, key, value = (states.reshape(batch * heads, width, -1) for states in (query * scaling, key, value))
    scores = torch.bmm(query, key.transpose(1, 2)).view(batch, heads, width, width)
    if attention_mask is not None:
        blocked = torch.zeros_like(attention_mask, dtype=scores.dtype)
        scores += blocked.masked_fill_(~attention_mask, torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, dim=-1).view(batch * heads, width, width)
    return torch.bmm(weights, value).view(batch, heads, width, -1).transpose(1, 2).contiguous(), None


AttentionInterface.register(UNFUSED_ATTENTION, attend_unfused)
AttentionMaskInterface.register(UNFUSED_ATTENTION, sdpa_mask)
