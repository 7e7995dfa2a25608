"""Parameters of the pipeline ``embedding``."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Pooling = Literal["mean", "cls", "last"]


class BatchTokens(BaseModel):
    """Parameters ``embedding.batch_tokens``: most tokens of a batch on each kind of device, padding included.

    A single longer text is a batch of its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cpu: int = Field(ge=1)
    cuda: int = Field(ge=1)
    mps: int = Field(ge=1)


class EmbeddingOptions(BaseModel):
    """Parameters ``embedding``. Where None is allowed, it means what the encoder's own files say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(min_length=1)
    """A folder, or the name of an encoder on the Hugging Face Hub."""
    revision: str | None
    """Commit, tag or branch on the Hub; None is the newest. A folder has none."""
    pooling: Pooling | None
    """How token vectors become one: their mean, the first, or the last of the text."""
    normalize: bool | None
    """Whether vectors are scaled to length 1."""
    max_tokens: int | None = Field(ge=1)
    """Longer texts are cut to so many tokens, special tokens included."""
    device: Literal["auto", "cpu", "cuda", "mps"]
    precision: Literal["auto", "float32", "bfloat16", "float16"]
    """Type of the encoder's weights and products; pooling and normalisation are always float32."""
    batch_tokens: BatchTokens
    stored_precision: Literal["float16", "float32"]
    """Type of the stored vectors."""
    components: int = Field(ge=1, le=4096)
    """Directions that the projection keeps; at most the encoder's dimensions."""
