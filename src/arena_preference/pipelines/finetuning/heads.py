"""Cross encoders: a transformers model and the head that makes three logits of what it says about a battle."""

from abc import abstractmethod
from typing import Final

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from arena_preference.battles import PREFERS_A, PREFERS_B, TIE

from .config import Pooling

_EXCHANGED: Final = [PREFERS_B, PREFERS_A, TIE]


class CrossEncoder(nn.Module):
    """Reads the two inputs of each battle and gives its logits in the order of ``LABEL_COLUMNS``."""

    def __init__(self, encoder: PreTrainedModel, label_smoothing: float) -> None:
        """Put a head on a model.

        Args:
            encoder: The model.
            label_smoothing: Of the loss.
        """
        super().__init__()
        self.encoder = encoder
        self.config = encoder.config
        self.label_smoothing = label_smoothing

    @property
    @abstractmethod
    def head_modules(self) -> list[str]:
        """Names of the modules that are trained whole where the others have adapters."""

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor | None = None
    ) -> SequenceClassifierOutput:
        """Score battles.

        Args:
            input_ids: Token ids, shape (battles, 2, tokens); (battles, 1, tokens) where one order is to be enough.
            attention_mask: Of the same shape, 1 at tokens and 0 at padding, which is on the right.
            labels: Shape (battles,).

        Returns:
            ``logits``, float32, shape (battles, 3); with labels also ``loss``, their mean cross entropy.
        """
        logits = self.score(input_ids.flatten(0, 1), attention_mask.flatten(0, 1), input_ids.shape[1])
        loss = None
        if labels is not None:
            # Each order is a verdict of its own, as if it were another battle.
            loss = functional.cross_entropy(
                logits.flatten(0, 1), labels.repeat_interleave(logits.shape[1]), label_smoothing=self.label_smoothing
            )
        return SequenceClassifierOutput(loss=loss, logits=logits.mean(dim=1))

    @abstractmethod
    def score(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, inputs: int) -> torch.Tensor:
        """Give float32 logits, shape (battles, orders, 3), of inputs of shape (battles * inputs, tokens)."""


class ComparisonModel(CrossEncoder):
    """Encodes each answer with its prompt and compares: one forward pass serves both orders.

    With h the pooled vector of a side, u and v linear: A against B is u(h_a) - u(h_b), a tie v(|h_a - h_b|, h_a + h_b).
    Exchanging the sides exchanges the logits of A and B exactly.
    """

    def __init__(self, encoder: PreTrainedModel, label_smoothing: float, pooling: Pooling) -> None:
        """Put the head on a model.

        Args:
            encoder: Without a head.
            label_smoothing: Of the loss.
            pooling: How token vectors become one.
        """
        super().__init__(encoder, label_smoothing)
        self.pooling = pooling
        width = encoder.config.get_text_config().hidden_size
        self.dropout = nn.Dropout(0.1)
        self.side = nn.Linear(width, 1, bias=False)
        self.tie = nn.Linear(2 * width, 1)
        for layer in (self.side, self.tie):
            nn.init.normal_(layer.weight, std=0.02)
        nn.init.zeros_(self.tie.bias)

    @property
    def head_modules(self) -> list[str]:
        """The two linear layers."""
        return ["side", "tie"]

    def score(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, inputs: int) -> torch.Tensor:
        """Compare the sides."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state.float()
        a, b = self.dropout(self._pool(states, attention_mask)).unflatten(0, (-1, inputs)).unbind(1)
        # Differences of vectors that are nearly alike want all digits.
        with torch.autocast(states.device.type, enabled=False):
            side = (self.side(a) - self.side(b)) / 2
            tie = self.tie(torch.cat([(a - b).abs(), a + b], dim=-1))
        return torch.cat([side, -side, tie], dim=-1).unsqueeze(1)

    def _pool(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if self.pooling == "last":
            return states[torch.arange(len(states), device=states.device), mask.sum(dim=1) - 1]
        weights = mask.unsqueeze(-1).float()
        return (states * weights).sum(dim=1) / weights.sum(dim=1)


class JointModel(CrossEncoder):
    """Reads both answers at once, in either order, with transformers' own sequence classifier, and averages."""

    @property
    def head_modules(self) -> list[str]:
        """What the classifier has beyond the model itself; each family calls it by another name."""
        return [
            f"encoder.{name}"
            for name, module in self.encoder.named_children()
            if name != self.encoder.base_model_prefix and next(module.parameters(), None) is not None
        ]

    def score(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, inputs: int) -> torch.Tensor:
        """Classify each order; the logits of the second are exchanged back."""
        logits = self.encoder(input_ids=input_ids, attention_mask=attention_mask).logits.float()
        orders = logits.unflatten(0, (-1, inputs))
        return torch.cat([orders[:, :1], orders[:, 1:, _EXCHANGED]], dim=1)
