"""Cross encoders: a transformers model, and a head that turns its output into three logits per battle."""

from abc import abstractmethod

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from arena_preference.battles import PREFERS_A, PREFERS_B, TIE

from .config import Pooling


class CrossEncoder(nn.Module):
    """Reads the two inputs of each battle and returns logits in the order of ``LABEL_COLUMNS``."""

    def __init__(self, encoder: PreTrainedModel, label_smoothing: float, head_modules: list[str]) -> None:
        """Wrap a pretrained model; ``head_modules`` are trained in full even if the others have adapters."""
        super().__init__()
        self.encoder, self.config = encoder, encoder.config
        self.label_smoothing, self.head_modules = label_smoothing, head_modules

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor | None = None
    ) -> SequenceClassifierOutput:
        """Predict battles.

        Args:
            input_ids: Token ids, shape (battles, 2, tokens), or (battles, 1, tokens) to read one order only.
            attention_mask: Same shape; 1 for tokens, 0 for padding, which is on the right.
            labels: Classes, shape (battles,), or votes, shape (battles, 3): probabilities times the battle's weight.

        Returns:
            ``logits``, float32, shape (battles, 3); with labels also ``loss``, their mean cross entropy.
        """
        logits = self.predict_orders(input_ids.flatten(0, 1), attention_mask.flatten(0, 1), input_ids.shape[1])
        loss = None
        if labels is not None:
            # Each order counts like a battle of its own.
            loss = self._compute_loss(logits.flatten(0, 1), labels.repeat_interleave(logits.shape[1], dim=0))
        return SequenceClassifierOutput(loss=loss, logits=logits.mean(dim=1))

    def _compute_loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if labels.ndim == 1:
            return functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        weights = labels.sum(dim=1, keepdim=True)
        losses = functional.cross_entropy(
            logits, labels / weights, reduction="none", label_smoothing=self.label_smoothing
        )
        return (weights.squeeze(1) * losses).mean()

    @abstractmethod
    def predict_orders(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, inputs: int) -> torch.Tensor:
        """Return float32 logits, shape (battles, orders, 3), from inputs of shape (battles * inputs, tokens)."""


class PointwiseModel(CrossEncoder):
    """Encodes each response with its prompt and compares: one forward pass serves both orders.

    With h the pooled vector of a response, u and v linear: the logit of A is u(h_a) - u(h_b), that of B its negative,
    that of a tie v(|h_a - h_b|, h_a + h_b). Swapping the responses swaps the logits of A and B exactly.
    """

    def __init__(self, encoder: PreTrainedModel, label_smoothing: float, pooling: Pooling) -> None:
        """Add the head to a model without one."""
        super().__init__(encoder, label_smoothing, ["side", "tie"])
        self.pooling = pooling
        width = encoder.config.get_text_config().hidden_size
        self.dropout = nn.Dropout(0.1)
        self.side = nn.Linear(width, 1, bias=False)
        self.tie = nn.Linear(2 * width, 1)
        for layer in (self.side, self.tie):
            nn.init.normal_(layer.weight, std=0.02)
        nn.init.zeros_(self.tie.bias)

    def predict_orders(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, inputs: int) -> torch.Tensor:
        """Compare the responses; one order stands for both."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state.float()
        a, b = self.dropout(self._pool(states, attention_mask)).unflatten(0, (-1, inputs)).unbind(1)
        # Differences of nearly equal vectors need full precision.
        with torch.autocast(states.device.type, enabled=False):
            side = (self.side(a) - self.side(b)) / 2
            tie = self.tie(torch.cat([(a - b).abs(), a + b], dim=-1))
        return torch.cat([side, -side, tie], dim=-1).unsqueeze(1)

    def _pool(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if self.pooling == "last":
            return states[torch.arange(len(states), device=states.device), mask.sum(dim=1) - 1]
        weights = mask.unsqueeze(-1).float()
        return (states * weights).sum(dim=1) / weights.sum(dim=1)


class PairwiseModel(CrossEncoder):
    """Reads both responses at once, in each order, with transformers' sequence classifier, and averages the orders."""

    def __init__(self, encoder: PreTrainedModel, label_smoothing: float) -> None:
        """Take a sequence classifier; its head is what has weights besides the base model."""
        head = [
            f"encoder.{name}"
            for name, module in encoder.named_children()
            if name != encoder.base_model_prefix and next(module.parameters(), None) is not None
        ]
        super().__init__(encoder, label_smoothing, head)

    def predict_orders(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, inputs: int) -> torch.Tensor:
        """Classify each order; the logits of the second are swapped back."""
        logits = self.encoder(input_ids=input_ids, attention_mask=attention_mask).logits.float()
        orders = logits.unflatten(0, (-1, inputs))
        return torch.cat([orders[:, :1], orders[:, 1:, [PREFERS_B, PREFERS_A, TIE]]], dim=1)
