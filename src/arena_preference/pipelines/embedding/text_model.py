"""Base class of encoder and reward model: a transformers model on one or several devices."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from transformers.utils.import_utils import is_flash_attn_2_available

from arena_preference.device import avoid_cudnn_attention
from arena_preference.pretrained import check_padding, encode_filled, load_model, load_tokenizer

from .attention import UNFUSED_ATTENTION

logger = logging.getLogger(__name__)

Tokens = npt.NDArray[np.int32]
Vectors = npt.NDArray[np.float32]

# Batches are padded to multiples of this width. How a row is rounded depends on the width, through the attention.
_WIDTH_STEP: Final = 16
# A short and a longer text, which a batch pads to the same width.
_PAIR: Final = ("A", "The river runs down to the sea, and it keeps its name: who gave it one, nobody can say.")


class Window(NamedTuple):
    """One row of a batch."""

    tokens: Tokens
    """Token ids with special tokens and prefix, shape (width,)."""
    own_tokens: int
    """Number of those that belong to the text itself."""
    skipped_tokens: int
    """Number of those, at the start, that are not pooled."""


class TextModel(ABC):
    """A tokenizer, and for each device a copy of the weights, which the workers of a CPU share."""

    auto_class: ClassVar[Any]
    parameters: ClassVar[str]
    """The group of parameters that describe the model."""
    max_tokens: int
    """Maximum tokens of a window."""
    max_characters: float
    """About how many characters of an input are read, which limits the time that it takes."""

    def __init__(self, folder: Path, devices: Sequence[torch.device], dtype: torch.dtype) -> None:
        """Load the model.

        Raises:
            ValueError: If its tokenizer, configuration or weights are missing, corrupted or incomplete.
        """
        self.folder = folder
        self.devices = list(devices)
        self.dtype = dtype
        self._tokenizer = load_tokenizer(folder)
        avoid_cudnn_attention()
        self._replicas = {device: self._load_weights(device) for device in devices}

    @property
    def dtype_name(self) -> str:
        """Name of ``dtype`` as in the parameters."""
        return str(self.dtype).removeprefix("torch.")

    @abstractmethod
    def make_input(self, text: str) -> Any:
        """An input that consists of one text."""

    @abstractmethod
    def tokenize(self, inputs: Sequence[Any]) -> list[list[Window]]:
        """At least one window of at least one token for each input."""

    @abstractmethod
    def combine(self, windows: Sequence[Window], vectors: Vectors) -> Vectors:
        """One vector, shape (dimensions,), from those of an input's windows, shape (windows, dimensions)."""

    @abstractmethod
    def _pool(self, output: Any, mask: torch.Tensor) -> torch.Tensor:
        """One float32 vector for each row of a batch; ``mask`` is 1 at the tokens to be pooled."""

    def check_padding(self) -> None:
        """Check that two texts have the same vectors in a padded batch and alone.

        Raises:
            ValueError: If they differ.
        """
        device = self.devices[0]
        pair = [of_text[0] for of_text in self.tokenize([self.make_input(text) for text in _PAIR])]
        alone = [self.compute([window], device, len(window.tokens)) for window in pair]
        padded = self.compute(pair, device)
        check_padding(np.concatenate(alone), padded, self.dtype, str(self.folder), f"{self.parameters}.model")

    def compute(self, windows: Sequence[Window], device: torch.device, width: int | None = None) -> Vectors:
        """Vectors of one batch, shape (windows, dimensions).

        They are independent of each other if all windows have the same padded width.

        Args:
            windows: The batch.
            device: One of the model's devices.
            width: Width to pad to; None for the padded width of the widest window.

        Raises:
            FloatingPointError: If a number is not finite, for example because float16 overflows.
        """
        width = width or max(map(self.padded_width, windows))
        input_ids = np.full((len(windows), width), self.padding_token, dtype=np.int64)
        mask = np.zeros((2, len(windows), width), dtype=np.int64)
        for row, (tokens, _, skipped) in enumerate(windows):
            # On the right, whatever the tokenizer says: models whose positions are absolute count them from the left.
            input_ids[row, : len(tokens)] = tokens
            mask[0, row, : len(tokens)] = 1
            mask[1, row, skipped : len(tokens)] = 1
        with torch.inference_mode():
            attention_mask, pooling_mask = torch.from_numpy(mask).to(device)
            tokens_on_device = torch.from_numpy(input_ids).to(device)
            output = self._replicas[device](input_ids=tokens_on_device, attention_mask=attention_mask)
            vectors: Vectors = self._pool(output, pooling_mask).cpu().numpy()
        if not np.isfinite(vectors).all():
            raise FloatingPointError(
                f"Model '{self.folder}' returns numbers that are not finite in {self.dtype_name}. Set "
                "embedding.inference.dtype to float32 or, if the device supports it, to bfloat16."
            )
        return vectors

    def padded_width(self, window: Window) -> int:
        """Width that a window is padded to, independent of the other windows of its batch."""
        own = len(window.tokens)
        return min(own + -own % _WIDTH_STEP, max(own, self.max_tokens))

    @property
    def padding_token(self) -> int:
        """Id of the tokenizer's padding token, or of any token if it has none: padding is masked."""
        candidates = (self._tokenizer.pad_token_id, self._tokenizer.eos_token_id, 0)
        return int(next(token for token in candidates if token is not None))

    def _load_weights(self, device: torch.device) -> Any:
        is_half = self.dtype != torch.float32
        wants_flash_attention = device.type == "cuda" and is_half and is_flash_attn_2_available()
        kwargs: dict[str, Any] = {"attn_implementation": "flash_attention_2"} if wants_flash_attention else {}
        try:
            model = load_model(self.auto_class, self.folder, self.dtype, **kwargs)
        except (ImportError, ValueError):
            if not wants_flash_attention:
                raise
            logger.info("Flash attention is installed, but does not support '%s'", self.folder)
            model = load_model(self.auto_class, self.folder, self.dtype)
        # Some models support only their own implementations of attention.
        if (
            device.type == "cpu"
            and is_half
            and model.config._attn_implementation == "sdpa"
            and model._supports_attention_backend
        ):
            model.set_attn_implementation(UNFUSED_ATTENTION)
        # Cached states are for generation only.
        model.config.use_cache = False
        return model.to(device).eval()

    def _to_ids(self, filled: Sequence[tuple[Callable[..., str], Sequence[str]]]) -> list[Tokens]:
        """Token ids of templates filled with texts."""
        return [np.array(ids, dtype=np.int32) for ids in encode_filled(self._tokenizer, filled)]


def slide_windows(tokens: Tokens, size: int, stride: int) -> list[Tokens]:
    """Windows of at most ``size`` tokens that cover a text; each shares ``stride`` tokens with the previous one."""
    starts = range(0, max(len(tokens) - stride, 1), size - stride)
    return [tokens[start : start + size] for start in starts]


def truncate_middle(tokens: Tokens, size: int, tail: int) -> Tokens:
    """The first ``size - tail`` and the last ``tail`` tokens of a text of more than ``size`` tokens."""
    if len(tokens) <= size:
        return tokens
    return np.concatenate([tokens[: size - tail], tokens[len(tokens) - tail :]])
