"""An encoder at work: texts in, vectors out."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from arena_preference.device import RequestedPrecision, select_precision

from .encoders import EncoderSettings

logger = logging.getLogger(__name__)

Tokens = npt.NDArray[np.int32]
Vectors = npt.NDArray[np.float32]

LEAST_COSINE: Final = 0.999
# Short and long, prose, code, figures and other scripts: what a rounding error would meet in battles.
_CHECK_TEXTS: Final = (
    "",
    "What is the capital of France?",
    "Paris is the capital of France, and its largest city by far.",
    "def mean(values):\n    return sum(values) / len(values)\n",
    "1. Heat the oven to 180 °C.\n2. Mix 250 g of flour, 3 eggs and 0.5 l of milk.\n3. Bake for 40 minutes.",
    "Die Katze sitzt auf der Matte. 猫はマットの上に座っています。 Кошка сидит на коврике.",
    "I'm sorry, but I cannot help with that request. " * 12,
    "The sea was calm that morning, and nobody in the village thought of the storm that had taken three boats in "
    "March. The children ran down to the harbour, counted the masts and argued about which of them was the tallest. "
    * 4,
)
# For an encoder without a table of positions whose tokenizer sets no limit: those report one of 1e30.
_MOST_TOKENS: Final = 1 << 20
# Texts whose tokens exist as Python lists at a time.
_TOKENIZED_AT_ONCE: Final = 2048


class Encoder:
    """A transformers encoder on one device, with the tokenizer, pooling and normalisation that belong to it."""

    def __init__(self, folder: Path, settings: EncoderSettings, device: torch.device, dtype: torch.dtype) -> None:
        """Load the encoder.

        Args:
            folder: What ``find_encoder`` gave.
            settings: What ``read_encoder_settings`` gave.
            device: Where it computes.
            dtype: Type of its weights and products.

        Raises:
            ValueError: If its weights are damaged or incomplete, or it has no room for ``settings.max_tokens``.
        """
        self.settings = settings
        self.device = device
        self.dtype = dtype
        self._model = _load_model(folder, dtype).to(device)
        with _quiet_transformers():
            self._tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        self.max_tokens = self._find_max_tokens(folder)

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self._model.config.hidden_size)

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Turn texts into token ids with the encoder's special tokens, cut to ``max_tokens``; at least one per text."""
        tokens: list[Tokens] = []
        for start in range(0, len(texts), _TOKENIZED_AT_ONCE):
            encoded = self._tokenizer(
                list(texts[start : start + _TOKENIZED_AT_ONCE]),
                truncation=True,
                max_length=self.max_tokens,
                return_attention_mask=False,
                return_token_type_ids=False,
            )
            # Without special tokens an empty text has no token, and there would be nothing to pool.
            tokens += [np.array(ids or [self._filler], dtype=np.int32) for ids in encoded["input_ids"]]
        return tokens

    def embed(self, texts: Sequence[str], tokens: Sequence[Tokens], batch_tokens: int) -> Vectors:
        """Embed texts in batches of like length.

        The batches follow from the texts alone, not from their order, so the same texts give the same bytes.

        Args:
            texts: Distinct texts.
            tokens: What ``tokenize`` gave for them.
            batch_tokens: Most tokens of a batch, padding included.

        Returns:
            Shape (texts, dimensions).

        Raises:
            FloatingPointError: If a vector is not finite, as where float16 overflows.
        """
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        with torch.inference_mode():
            for rows in plan_batches(texts, [len(ids) for ids in tokens], batch_tokens):
                vectors[rows] = self._embed_batch([tokens[row] for row in rows])
        broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(broken):
            raise FloatingPointError(
                f"The encoder in {self.dtype} gives vectors that are not finite for {len(broken)} of {len(texts)} "
                f"texts, the first: {texts[broken[0]][:40]!r}. Set embedding.precision to float32."
            )
        return vectors

    def _embed_batch(self, tokens: Sequence[Tokens]) -> Vectors:
        width = max(len(ids) for ids in tokens)
        input_ids = np.full((len(tokens), width), self._filler, dtype=np.int64)
        mask = np.zeros((len(tokens), width), dtype=np.int64)
        for row, ids in enumerate(tokens):
            place = slice(width - len(ids), width) if self._tokenizer.padding_side == "left" else slice(len(ids))
            input_ids[row, place] = ids
            mask[row, place] = 1
        attention_mask = torch.from_numpy(mask).to(self.device)
        states = self._model(
            input_ids=torch.from_numpy(input_ids).to(self.device), attention_mask=attention_mask
        ).last_hidden_state
        vectors = pool_states(states.float(), attention_mask, self.settings)
        return vectors.cpu().numpy()

    @property
    def _filler(self) -> int:
        """Fill up a batch with the padding token; an encoder without one ignores what stands there."""
        known = (self._tokenizer.pad_token_id, self._tokenizer.eos_token_id, 0)
        return int(next(token for token in known if token is not None))

    def _find_max_tokens(self, folder: Path) -> int:
        positions = getattr(self._model.config, "max_position_embeddings", None) or _MOST_TOKENS
        wanted = self.settings.max_tokens
        if wanted is None:
            return min(int(self._tokenizer.model_max_length), positions)
        if wanted > positions:
            raise ValueError(
                f"Encoder '{folder}' has positions for {positions} tokens, and {wanted} were asked for. "
                "Lower embedding.max_tokens."
            )
        return wanted


def load_encoder(
    folder: Path, settings: EncoderSettings, device: torch.device, precision: RequestedPrecision
) -> Encoder:
    """Load an encoder in the best precision that keeps its vectors.

    A shorter type than float32 is tried on a handful of texts first. Where a cosine to float32 falls below
    ``LEAST_COSINE``, ``auto`` goes back to float32; a type that was asked for by name stays, with a warning.

    Args:
        folder: What ``find_encoder`` gave.
        settings: What ``read_encoder_settings`` gave.
        device: What ``select_device`` gave.
        precision: Parameter ``embedding.precision``.

    Returns:
        The encoder.
    """
    dtype = select_precision(device, precision)
    encoder = Encoder(folder, settings, device, torch.float32)
    if dtype == torch.float32:
        return encoder
    shorter = Encoder(folder, settings, device, dtype)
    cosine = compare_encoders(encoder, shorter)
    if cosine >= LEAST_COSINE:
        return shorter
    message = "%s in %s gives vectors with a cosine of only %.4f to float32's"
    if precision == "auto":
        logger.warning(message + "; float32 is used", folder.name, dtype, cosine)
        return encoder
    logger.warning(message + "; it is used because embedding.precision asks for it", folder.name, dtype, cosine)
    return shorter


def compare_encoders(one: Encoder, other: Encoder) -> float:
    """Give the least cosine between the vectors of two encoders over a handful of texts; -1 where one is not finite."""
    tokens = one.tokenize(_CHECK_TEXTS)
    budget = sum(len(ids) for ids in tokens)
    try:
        a, b = (torch.from_numpy(encoder.embed(_CHECK_TEXTS, tokens, budget)) for encoder in (one, other))
    except FloatingPointError:
        return -1.0
    return float(torch.nn.functional.cosine_similarity(a, b).min())


def plan_batches(texts: Sequence[str], lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Group texts of like length, longest first, so that little is padding and the first batch needs the most memory.

    Args:
        texts: Distinct texts; they decide between equal lengths.
        lengths: Tokens of each.
        batch_tokens: Most tokens of a batch, padding included; a single longer text is a batch of its own.

    Yields:
        Indices of the texts of one batch.
    """
    batch: list[int] = []
    for row in sorted(range(len(texts)), key=lambda row: (-lengths[row], texts[row])):
        if batch and (len(batch) + 1) * lengths[batch[0]] > batch_tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def pool_states(states: torch.Tensor, mask: torch.Tensor, settings: EncoderSettings) -> torch.Tensor:
    """Make one vector of the token vectors of each text.

    Args:
        states: Float32 token vectors, shape (texts, width, dimensions).
        mask: 1 at a text's own tokens, which are contiguous, 0 at padding on either side; shape (texts, width).
        settings: How to pool, and whether to scale to length 1.

    Returns:
        Shape (texts, dimensions).
    """
    if settings.pooling == "mean":
        weights = mask.unsqueeze(-1).to(states.dtype)
        vectors = (states * weights).sum(dim=1) / weights.sum(dim=1)
    else:
        first = mask.argmax(dim=1)
        place = first if settings.pooling == "cls" else first + mask.sum(dim=1) - 1
        vectors = states[torch.arange(len(states), device=states.device), place]
    return torch.nn.functional.normalize(vectors, dim=1) if settings.normalize else vectors


def _load_model(folder: Path, dtype: torch.dtype) -> Any:
    try:
        with _quiet_transformers():
            model, report = AutoModel.from_pretrained(
                folder,
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
    except SafetensorError as reason:
        raise ValueError(
            f"The weights in '{folder}' cannot be read ({reason}). They are damaged: fetch the encoder again."
        ) from reason
    # A pooler that the checkpoint lacks is not used here; anything else would be random numbers.
    missing = sorted(name for name in report["missing_keys"] if "pooler" not in name)
    if missing:
        raise ValueError(
            f"The weights in '{folder}' lack {len(missing)} tensors of the encoder, the first: {missing[0]}. Fetch the "
            "encoder again, or set embedding.model to one whose config.json fits its weights."
        )
    # The states of earlier tokens serve generation only.
    model.config.use_cache = False
    return model.eval()


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Silence progress bars and load reports: this module says itself what matters."""
    verbosity, bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bar:
            transformers_logging.enable_progress_bar()
