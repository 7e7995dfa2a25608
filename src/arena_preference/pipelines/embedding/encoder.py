"""The encoder: text in, vector out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel

from .encoder_settings import EncoderSettings
from .model_inputs import PrefixedText
from .text_model import TextModel, Tokens, Vectors, Window, slide_windows, truncate_middle


class Encoder(TextModel):
    """A transformer whose token vectors are pooled according to its settings."""

    auto_class = AutoModel
    parameters = "embedding.encoder"

    def __init__(
        self, folder: Path, devices: Sequence[torch.device], dtype: torch.dtype, settings: EncoderSettings
    ) -> None:
        """Load the encoder.

        Raises:
            ValueError: Also if special tokens, prefix and stride or tail take all of ``settings.max_tokens``.
        """
        super().__init__(folder, devices, dtype)
        self.max_tokens = settings.max_tokens
        self.max_characters = 4 * settings.max_tokens if settings.long_texts == "truncate" else np.inf
        self._settings = settings
        self._start, self._end = self._find_special_tokens()
        prefixes = (settings.query_prefix, settings.document_prefix)
        self._prefixes = dict(zip(prefixes, self._to_ids([(prefix.__add__, [""]) for prefix in prefixes]), strict=True))
        longest = max(len(ids) for ids in self._prefixes.values())
        room = settings.max_tokens - len(self._start) - len(self._end) - longest
        name = "stride" if settings.long_texts == "windows" else "tail_tokens"
        if getattr(settings, name) >= room:
            raise ValueError(
                f"embedding.encoder.{name} is {getattr(settings, name)} and must be less than {room}, which is what "
                f"special tokens and prefix leave of {settings.max_tokens} tokens. Lower it, or raise "
                "embedding.encoder.max_tokens."
            )

    def make_input(self, text: str) -> PrefixedText:
        """The text as a document."""
        return self._settings.document_prefix, text

    def tokenize(self, inputs: Sequence[PrefixedText]) -> list[list[Window]]:
        """Windows of each text, each of which starts with the text's prefix."""
        cased = [tuple(map(str.lower, parts)) for parts in inputs] if self._settings.lower_case else inputs
        every = self._to_ids([(prefix.__add__, [text]) for prefix, text in cased])
        return [
            self._cut(ids, _count_common(ids, self._prefixes[prefix]))
            for (prefix, _), ids in zip(inputs, every, strict=True)
        ]

    def _cut(self, ids: Tokens, prefix: int) -> list[Window]:
        """Windows of a text whose first ``prefix`` tokens are its prefix's."""
        settings = self._settings
        room = settings.max_tokens - len(self._start) - len(self._end) - prefix
        text = ids[prefix:]
        if settings.long_texts == "windows":
            chunks = slide_windows(text, room, settings.stride)
        else:
            chunks = [truncate_middle(text, room, settings.tail_tokens)]
        skipped = 0 if settings.pool_prefix else len(self._start) + prefix
        windows = []
        for chunk in chunks:
            tokens = np.concatenate([self._start, ids[:prefix], chunk, self._end])
            # An empty text without special tokens has no token, and there would be nothing to pool.
            if len(tokens) <= skipped:
                tokens = np.append(tokens, np.int32(self.padding_token))
            windows.append(Window(tokens, len(chunk), skipped))
        return windows

    def _find_special_tokens(self) -> tuple[Tokens, Tokens]:
        """Tokens that the tokenizer puts before and after a text."""
        bare = self._tokenizer("a", add_special_tokens=False)["input_ids"]
        whole = self._tokenizer("a")["input_ids"]
        start = next(start for start in range(len(whole)) if whole[start : start + len(bare)] == bare)
        return np.array(whole[:start], dtype=np.int32), np.array(whole[start + len(bare) :], dtype=np.int32)

    def combine(self, windows: Sequence[Window], vectors: Vectors) -> Vectors:
        """Mean of the windows' vectors, weighted by the text's tokens in each, then normalised."""
        if len(windows) > 1:
            weights = np.array([window.own_tokens for window in windows], dtype=np.float32)
            vectors = weights @ vectors / weights.sum()
        vector = vectors.reshape(-1)
        if self._settings.normalize:
            vector = vector / max(np.linalg.norm(vector), np.float32(1e-12))
        return vector

    def _pool(self, output: Any, mask: torch.Tensor) -> torch.Tensor:
        states = output.last_hidden_state
        if self._settings.pooling == "mean":
            weights = mask.unsqueeze(-1).float()
            return (states.float() * weights).sum(dim=1) / weights.sum(dim=1)
        first = mask.argmax(dim=1)
        index = first if self._settings.pooling == "cls" else first + mask.sum(dim=1) - 1
        return states[torch.arange(len(states), device=states.device), index].float()


def _count_common(tokens: Tokens, prefix: Tokens) -> int:
    """Number of the prefix's tokens that a text starts with; the last may be merged with the text's first."""
    together = min(len(tokens), len(prefix))
    differing = np.flatnonzero(tokens[:together] != prefix[:together])
    return int(differing[0]) if len(differing) else together
