"""Parameters of the pipeline ``embedding``."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Pooling = Literal["mean", "cls", "last"]
LongTexts = Literal["windows", "truncate"]


class EncoderConfig(BaseModel):
    """Parameters ``embedding.encoder``. Where None is allowed, it means what the encoder's own files say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool
    """Without it there are no embedding features, and nothing is loaded."""
    model: str = Field(min_length=1)
    """A folder, or the name of an encoder on the Hugging Face Hub."""
    revision: str | None
    """Commit, tag or branch on the Hub; None is the newest. A folder has none."""
    pooling: Pooling | None
    """How token vectors become one: their mean, the first, or the last of the text."""
    normalize: bool | None
    """Whether vectors are scaled to length 1."""
    query_prefix: str | None
    """The instruction that stands before a prompt."""
    document_prefix: str | None
    """The instruction that stands before an answer."""
    max_tokens: int | None = Field(ge=1)
    """What goes through the encoder at once, special tokens and prefix included."""
    long_texts: LongTexts
    """A text of more tokens is read in windows, whose vectors are averaged by length, or it is cut."""
    stride: int = Field(ge=0)
    """Tokens that a window shares with the one before it."""
    tail_tokens: int = Field(ge=0)
    """Of a text that is cut, so many tokens are kept from its end and the others from its start."""
    storage_dtype: Literal["float16", "float32"]
    """Type of the stored vectors."""
    n_components: int = Field(ge=1, le=4096)
    """Directions that the projection keeps; at most the encoder's dimensions."""


class RewardModelConfig(BaseModel):
    """Parameters ``embedding.reward_model``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool
    """Without it there are no reward features, and nothing is loaded."""
    model: str = Field(min_length=1)
    """A folder, or the name of a sequence classifier with one logit and a chat template on the Hugging Face Hub."""
    revision: str | None
    """Commit, tag or branch on the Hub; None is the newest. A folder has none."""
    max_tokens: int = Field(ge=1)
    """Longer conversations are cut."""
    tail_tokens: int = Field(ge=0)
    """Of a conversation that is cut, so many tokens are kept from its end and the others from its start."""


class BatchTokens(BaseModel):
    """Parameters ``embedding.inference.batch_tokens``: most tokens of a batch on each kind of device, with padding.

    A single longer text is a batch of its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cpu: int = Field(ge=1)
    cuda: int = Field(ge=1)
    mps: int = Field(ge=1)


class InferenceConfig(BaseModel):
    """Parameters ``embedding.inference``: how models are run. None of them changes what a vector means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: Literal["auto", "cpu", "cuda", "mps"]
    precision: Literal["auto", "float32", "bfloat16", "float16"]
    """Type of a model's weights and products; pooling and normalisation are always float32."""
    workers: int | None = Field(ge=1)
    """Batches that are under way at a time on each device; None lets the kind of device decide."""
    batch_tokens: BatchTokens
    shard_characters: int = Field(ge=1)
    """Texts are embedded and stored in shards of so many characters: what a killed run may lose."""
    time_budget: float | None = Field(gt=0)
    """Hours that one model may take for the texts of one split; None is no limit."""


class EmbeddingConfig(BaseModel):
    """Parameters ``embedding``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: str | None
    """A file of ``presets/embedding``, which the other parameters come from."""
    encoder: EncoderConfig
    reward_model: RewardModelConfig
    inference: InferenceConfig
