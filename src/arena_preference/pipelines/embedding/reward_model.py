"""The reward model: conversation in, score out."""

from collections.abc import Sequence
from itertools import chain, cycle
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification

from arena_preference.pretrained import check_positions

from .model_inputs import Conversation
from .text_model import TextModel, Vectors, Window, truncate_middle


class RewardModel(TextModel):
    """A sequence classifier with one logit and a chat template. Its vectors have shape (1,)."""

    auto_class = AutoModelForSequenceClassification
    parameters = "embedding.reward_model"

    def __init__(
        self, folder: Path, devices: Sequence[torch.device], dtype: torch.dtype, max_tokens: int, tail_tokens: int
    ) -> None:
        """Load the reward model.

        Raises:
            ValueError: Also if it has several logits, no chat template or fewer positions than ``max_tokens``, or
                ``tail_tokens`` is not below that.
        """
        super().__init__(folder, devices, dtype)
        self.max_tokens = max_tokens
        self.max_characters = 4 * max_tokens
        self._tail_tokens = tail_tokens
        if self._tokenizer.chat_template is None:
            raise ValueError(
                f"Reward model '{folder}' has no chat template, which defines how it reads a conversation. Set "
                "embedding.reward_model.model to a model with one."
            )
        for model in self._replicas.values():
            if model.config.num_labels != 1:
                raise ValueError(
                    f"'{folder}' has {model.config.num_labels} logits; a reward model has one. Set "
                    "embedding.reward_model.model to such a model."
                )
            # The model reads its score at the last token that is not padding.
            model.config.get_text_config().pad_token_id = self.padding_token
            check_positions(model, str(folder), "embedding.reward_model.max_tokens", max_tokens)
        if tail_tokens >= max_tokens:
            raise ValueError(
                f"embedding.reward_model.tail_tokens is {tail_tokens} and must be less than max_tokens {max_tokens}, "
                "so that the start of a conversation is kept, too. Lower it."
            )

    @property
    def padding_token(self) -> int:
        """The model's own padding token; if it has none, a token that no conversation ends with."""
        own = self._replicas[self.devices[0]].config.get_text_config().pad_token_id
        if own is not None:
            return int(own)
        (ids,) = self._to_ids([(self._render, ["a", "a"])])
        return int(ids[-1] == 0)

    def make_input(self, text: str) -> Conversation:
        """The text as a response."""
        return (("Tell me.", text),)

    def tokenize(self, inputs: Sequence[Conversation]) -> list[list[Window]]:
        """One window for each conversation, rendered by the model's own chat template."""
        conversations = self._to_ids([(self._render, list(chain.from_iterable(turns))) for turns in inputs])
        kept = [truncate_middle(ids, self.max_tokens, self._tail_tokens) for ids in conversations]
        return [[Window(ids, len(ids), 0)] for ids in kept]

    def _render(self, *texts: str) -> str:
        """Prompts and responses, in turn, in the chat template."""
        messages = [{"role": role, "content": text} for role, text in zip(cycle(("user", "assistant")), texts)]
        return str(self._tokenizer.apply_chat_template(messages, tokenize=False))

    def combine(self, windows: Sequence[Window], vectors: Vectors) -> Vectors:
        """The score of the only window."""
        return vectors[0]

    def _pool(self, output: Any, mask: torch.Tensor) -> torch.Tensor:
        return output.logits.float()
