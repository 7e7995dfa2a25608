"""Attention on a CPU in half precision, where PyTorch's fused kernel takes twice the time of its parts."""

from typing import Any, Final

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

#: The name under which transformers knows it.
UNFUSED_ATTENTION: Final = "arena_preference_unfused"
# The scores grow with the square of the width: so many entries, twice as many bytes, for each batch under way.
_MOST_SCORES: Final = 2**26


def attend_unfused(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attend by two matrix products and a softmax between them, as encoders do; all else is left to the fused kernel.

    Args:
        module: The layer that attends.
        query: Shape (batch, heads, width, dimensions); ``key`` and ``value`` likewise.
        key: See ``query``.
        value: See ``query``.
        attention_mask: True where a token is looked at, shape (batch, 1, width, width); None where all are.
        scaling: Factor of the scores.
        is_causal: Whether a token sees those before it only; the mask says so too, unless there is none.
        others: What transformers' own attention functions take besides.

    Returns:
        Shape (batch, width, heads, dimensions), and no attention weights.
    """
    batch, heads, width, _ = query.shape
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    if (
        scaling is None
        or key.shape != query.shape
        or (causal and attention_mask is None)
        or others.get("position_bias") is not None
        or batch * heads * width * width > _MOST_SCORES
    ):
        fused: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, is_causal=is_causal, **others
        )
        return fused
    query, key, value = (states.reshape(batch * heads, width, -1) for states in (query * scaling, key, value))
    scores = torch.bmm(query, key.transpose(1, 2)).view(batch, heads, width, width)
    if attention_mask is not None:
        unseen = torch.zeros_like(attention_mask, dtype=scores.dtype)
        scores += unseen.masked_fill_(~attention_mask, torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, dim=-1).view(batch * heads, width, width)
    return torch.bmm(weights, value).view(batch, heads, width, -1).transpose(1, 2).contiguous(), None


AttentionInterface.register(UNFUSED_ATTENTION, attend_unfused)
AttentionMaskInterface.register(UNFUSED_ATTENTION, sdpa_mask)
