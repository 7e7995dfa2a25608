"""Models at work on one or several devices: batches of tokens in, numbers out."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils.import_utils import is_flash_attn_2_available

from arena_preference.device import avoid_cudnn_attention
from arena_preference.pretrained import quiet_transformers

from .attention import UNFUSED_ATTENTION
from .encoder_settings import EncoderSettings
from .inputs import Conversation, PrefixedText
from .windows import Tokens, Window, cut_middle, cut_windows

logger = logging.getLogger(__name__)

Input = TypeVar("Input")
Vectors = npt.NDArray[np.float32]

# Widths that a batch is padded to. How a row of a batch rounds depends on the width, by way of the attention.
_WIDTH_STEP: Final = 16


class TextModel(ABC, Generic[Input]):
    """A transformers model with its tokenizer, loaded once for each device."""

    # Which of transformers' automatic classes loads it, and which of its weights are not used here.
    auto_class: Any
    unused_weights: tuple[str, ...] = ()

    #: Most tokens of a window.
    max_tokens: int

    def __init__(self, folder: Path, devices: Sequence[torch.device], dtype: torch.dtype) -> None:
        """Load the model.

        Args:
            folder: What ``find_model`` gave.
            devices: Where it computes; a CPU's workers share one copy of the weights.
            dtype: Type of its weights and products.

        Raises:
            ValueError: If its tokenizer, its configuration or its weights are missing, damaged or incomplete.
        """
        self.folder = folder
        self.devices = list(devices)
        self.dtype = dtype
        #: The name of ``dtype``.
        self.precision = str(dtype).removeprefix("torch.")
        with quiet_transformers():
            try:
                self._tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
            # The library that reads it raises nothing more special.
            except Exception as reason:
                raise ValueError(
                    f"The tokenizer in '{folder}' cannot be read ({_first_line(reason)}). Fetch the model again, or "
                    "choose one whose tokenizer.json is there."
                ) from reason
        avoid_cudnn_attention()
        self._replicas = {device: self._load_weights(device) for device in devices}

    @abstractmethod
    def wrap(self, text: str) -> Input:
        """Make an input of a text alone."""

    @abstractmethod
    def tokenize(self, inputs: Sequence[Input]) -> list[list[Window]]:
        """Turn inputs into windows of token ids, at least one window for each and one token in each."""

    @abstractmethod
    def combine(self, windows: Sequence[Window], vectors: Vectors) -> Vectors:
        """Make one vector of those of an input's windows; shapes (windows, dimensions) and (dimensions,)."""

    @abstractmethod
    def _pool(self, output: Any, mask: torch.Tensor) -> torch.Tensor:
        """Give one float32 vector for each row of a batch; ``mask`` is 1 at the tokens that take part."""

    def compute(self, windows: Sequence[Window], device: torch.device) -> Vectors:
        """Run one batch.

        Args:
            windows: Rows of the batch, of one width if their vectors are not to depend on each other.
            device: One of ``devices``.

        Returns:
            Shape (windows, dimensions).

        Raises:
            FloatingPointError: If a number is not finite, as where float16 overflows.
        """
        width = max(map(self.measure_width, windows))
        input_ids = np.full((len(windows), width), self.filler, dtype=np.int64)
        mask = np.zeros((2, len(windows), width), dtype=np.int64)
        for row, (tokens, _, skipped) in enumerate(windows):
            start = width - len(tokens) if self._tokenizer.padding_side == "left" else 0
            input_ids[row, start : start + len(tokens)] = tokens
            mask[0, row, start : start + len(tokens)] = 1
            mask[1, row, start + skipped : start + len(tokens)] = 1
        with torch.inference_mode():
            attention_mask, pooling_mask = torch.from_numpy(mask).to(device)
            output = self._replicas[device](
                input_ids=torch.from_numpy(input_ids).to(device), attention_mask=attention_mask
            )
            vectors: Vectors = self._pool(output, pooling_mask).cpu().numpy()
        if not np.isfinite(vectors).all():
            raise FloatingPointError(
                f"Model '{self.folder}' gives numbers that are not finite in {self.dtype}. Set "
                "embedding.inference.precision to float32 or, where the device can do it, to bfloat16."
            )
        return vectors

    def measure_width(self, window: Window) -> int:
        """Give the width that a window is padded to, whatever other windows are computed with it."""
        own = len(window.tokens)
        return min(own + -own % _WIDTH_STEP, max(own, self.max_tokens))

    @property
    def filler(self) -> int:
        """What fills up a batch: the padding token; a model without one ignores what stands there."""
        known = (self._tokenizer.pad_token_id, self._tokenizer.eos_token_id, 0)
        return int(next(token for token in known if token is not None))

    def _load_weights(self, device: torch.device) -> Any:
        try:
            model, report = self._load_with_best_attention(device)
        except SafetensorError as reason:
            raise ValueError(
                f"The weights in '{self.folder}' cannot be read ({reason}). They are damaged: fetch the model again."
            ) from reason
        except OSError as reason:
            raise ValueError(
                f"The model in '{self.folder}' cannot be loaded ({_first_line(reason)}). Fetch it again."
            ) from reason
        # What the checkpoint lacks would be random numbers.
        missing = sorted(
            name for name in report["missing_keys"] if not any(unused in name for unused in self.unused_weights)
        )
        if missing:
            raise ValueError(
                f"The weights in '{self.folder}' lack {len(missing)} tensors of the model, the first: {missing[0]}. "
                "Fetch it again, or choose one whose config.json fits its weights."
            )
        in_short = device.type == "cpu" and self.dtype != torch.float32
        # Some models take none but their own ways of attending.
        if in_short and model.config._attn_implementation == "sdpa" and model._supports_attention_backend:
            model.set_attn_implementation(UNFUSED_ATTENTION)
        # The states of earlier tokens serve generation only.
        model.config.use_cache = False
        return model.to(device).eval()

    def _load_with_best_attention(self, device: torch.device) -> tuple[Any, dict[str, Any]]:
        if device.type == "cuda" and self.dtype != torch.float32 and is_flash_attn_2_available():
            try:
                return self._load(attn_implementation="flash_attention_2")
            except (ImportError, ValueError) as reason:
                logger.info("Flash attention is installed and not for '%s' (%s)", self.folder, reason)
        # Transformers' own choice is PyTorch's fused attention (sdpa) wherever the model can do it.
        return self._load()

    def _load(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        with quiet_transformers():
            loaded: tuple[Any, dict[str, Any]] = self.auto_class.from_pretrained(
                self.folder,
                dtype=self.dtype,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
                **options,
            )
        return loaded

    def _to_ids(self, texts: Sequence[str]) -> list[Tokens]:
        encoded = self._tokenizer(
            list(texts),
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            # Long texts are cut here, not there, and no warning is wanted.
            verbose=False,
        )
        return [np.array(ids, dtype=np.int32) for ids in encoded["input_ids"]]


class Encoder(TextModel[PrefixedText]):
    """An encoder: text in, vector out."""

    auto_class = AutoModel
    unused_weights = ("pooler",)

    def __init__(
        self, folder: Path, devices: Sequence[torch.device], dtype: torch.dtype, settings: EncoderSettings
    ) -> None:
        """Load the encoder.

        Raises:
            ValueError: Further, if ``settings.max_tokens`` leaves no room between special tokens, overlap and tail.
        """
        super().__init__(folder, devices, dtype)
        self.max_tokens = settings.max_tokens
        self._settings = settings
        self._start, self._end = self._find_special_tokens()
        prefixes = (settings.query_prefix, settings.document_prefix)
        self._prefixes = dict(zip(prefixes, self._to_ids(prefixes), strict=True))
        longest = max(len(ids) for ids in self._prefixes.values())
        room = settings.max_tokens - len(self._start) - len(self._end) - longest
        name = "stride" if settings.long_texts == "windows" else "tail_tokens"
        if getattr(settings, name) >= room:
            raise ValueError(
                f"Of {settings.max_tokens} tokens, {room} are left for the text itself, which embedding.encoder.{name} "
                f"has to be below. It is {getattr(settings, name)}: lower it, or raise embedding.encoder.max_tokens."
            )

    def wrap(self, text: str) -> PrefixedText:
        """The text as a document."""
        return self._settings.document_prefix, text

    def tokenize(self, inputs: Sequence[PrefixedText]) -> list[list[Window]]:
        """Turn texts with their prefixes into windows; every window of a text begins with its prefix."""
        texts = [prefix + text for prefix, text in inputs]
        if self._settings.lower_case:
            texts = [text.lower() for text in texts]
        return [
            self._cut(ids, _count_common(ids, self._prefixes[prefix]))
            for (prefix, _), ids in zip(inputs, self._to_ids(texts), strict=True)
        ]

    def _cut(self, ids: Tokens, prefix: int) -> list[Window]:
        settings = self._settings
        room = settings.max_tokens - len(self._start) - len(self._end) - prefix
        text = ids[prefix:]
        if settings.long_texts == "windows":
            pieces = cut_windows(text, room, settings.stride)
        else:
            pieces = [cut_middle(text, room, settings.tail_tokens)]
        skipped = 0 if settings.pool_prefix else len(self._start) + prefix
        return [self._make_window(np.concatenate([ids[:prefix], piece]), len(piece), skipped) for piece in pieces]

    def _make_window(self, ids: Tokens, own_tokens: int, skipped: int) -> Window:
        tokens = np.concatenate([self._start, ids, self._end])
        # Without special tokens an empty text has no token, and there would be nothing to pool.
        if len(tokens) <= skipped:
            tokens = np.append(tokens, np.int32(self.filler))
        return Window(tokens, own_tokens, skipped)

    def _find_special_tokens(self) -> tuple[Tokens, Tokens]:
        """Find what the tokenizer puts before and after a text."""
        bare = self._tokenizer("a", add_special_tokens=False)["input_ids"]
        whole = self._tokenizer("a")["input_ids"]
        place = next(place for place in range(len(whole)) if whole[place : place + len(bare)] == bare)
        return np.array(whole[:place], dtype=np.int32), np.array(whole[place + len(bare) :], dtype=np.int32)

    def combine(self, windows: Sequence[Window], vectors: Vectors) -> Vectors:
        """Average the vectors of a text's windows by the number of its tokens in each, then normalise."""
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
        place = first if self._settings.pooling == "cls" else first + mask.sum(dim=1) - 1
        vectors: torch.Tensor = states[torch.arange(len(states), device=states.device), place].float()
        return vectors


class RewardModel(TextModel[Conversation]):
    """A sequence classifier with one logit: conversation in, score out. Shape (1,)."""

    auto_class = AutoModelForSequenceClassification

    def __init__(
        self, folder: Path, devices: Sequence[torch.device], dtype: torch.dtype, max_tokens: int, tail_tokens: int
    ) -> None:
        """Load the reward model.

        Raises:
            ValueError: Further, if it has more than one logit or no chat template, or no token would be left of the
                start of a conversation that is cut.
        """
        super().__init__(folder, devices, dtype)
        self.max_tokens = max_tokens
        self._tail_tokens = tail_tokens
        if self._tokenizer.chat_template is None:
            raise ValueError(
                f"Reward model '{folder}' has no chat template, so nothing says how it reads a conversation. Set "
                "embedding.reward_model.model to one that has."
            )
        for model in self._replicas.values():
            if model.config.num_labels != 1:
                raise ValueError(
                    f"'{folder}' gives {model.config.num_labels} numbers for a conversation; a reward model gives one. "
                    "Set embedding.reward_model.model to such a model."
                )
            # The model takes its score at the last token that is none of these.
            model.config.get_text_config().pad_token_id = self.filler
        if tail_tokens >= max_tokens:
            raise ValueError(
                f"embedding.reward_model.tail_tokens is {tail_tokens}, which leaves nothing of the start within "
                f"max_tokens {max_tokens}. Lower it."
            )

    @property
    def filler(self) -> int:
        """The model's own padding token; where it has none, a token that no conversation ends with."""
        own = self._replicas[self.devices[0]].config.get_text_config().pad_token_id
        if own is not None:
            return int(own)
        (ids,) = self._to_ids([self._render((("a", "a"),))])
        return int(ids[-1] == 0)

    def wrap(self, text: str) -> Conversation:
        """The text as an answer."""
        return (("Tell me.", text),)

    def tokenize(self, inputs: Sequence[Conversation]) -> list[list[Window]]:
        """Turn conversations into one window each, by the model's own chat template."""
        every_ids = self._to_ids([self._render(conversation) for conversation in inputs])
        kept = [cut_middle(ids, self.max_tokens, self._tail_tokens) for ids in every_ids]
        return [[Window(ids, len(ids), 0)] for ids in kept]

    def _render(self, conversation: Conversation) -> str:
        messages = [
            {"role": role, "content": content}
            for turn in conversation
            for role, content in zip(("user", "assistant"), turn, strict=True)
        ]
        return str(self._tokenizer.apply_chat_template(messages, tokenize=False))

    def combine(self, windows: Sequence[Window], vectors: Vectors) -> Vectors:
        """A conversation is one window."""
        return vectors[0]

    def _pool(self, output: Any, mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = output.logits.float()
        return logits


def _count_common(tokens: Tokens, prefix: Tokens) -> int:
    """Count the tokens of a prefix that a text still begins with: the last may have merged with what follows."""
    together = min(len(tokens), len(prefix))
    differing = np.flatnonzero(tokens[:together] != prefix[:together])
    return int(differing[0]) if len(differing) else together


def _first_line(reason: Exception) -> str:
    return str(reason).partition("\n")[0]
