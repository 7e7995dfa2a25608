"""Parameters of the pipeline ``embedding``; conf/base/parameters_embedding.yml explains each of them."""

from typing import Literal

from pydantic import Field

from arena_preference.config import Config
from arena_preference.device import RequestedDevice, RequestedDtype

Pooling = Literal["mean", "cls", "last"]
LongTexts = Literal["windows", "truncate"]


class EncoderConfig(Config):
    """Parameters ``embedding.encoder``; None means as in the encoder's own files."""

    enabled: bool
    model: str = Field(min_length=1)
    revision: str | None
    pooling: Pooling | None
    normalize: bool | None
    query_prefix: str | None
    document_prefix: str | None
    max_tokens: int | None = Field(ge=1)
    long_texts: LongTexts
    stride: int = Field(ge=0)
    tail_tokens: int = Field(ge=0)
    storage_dtype: Literal["float16", "float32"]
    n_components: int = Field(ge=1, le=4096)


class RewardModelConfig(Config):
    """Parameters ``embedding.reward_model``."""

    enabled: bool
    model: str = Field(min_length=1)
    revision: str | None
    max_tokens: int = Field(ge=1)
    tail_tokens: int = Field(ge=0)


class BatchTokens(Config):
    """Parameters ``embedding.inference.batch_tokens``."""

    cpu: int = Field(ge=1)
    cuda: int = Field(ge=1)
    mps: int = Field(ge=1)


class InferenceConfig(Config):
    """Parameters ``embedding.inference``, of which only ``dtype`` changes the vectors."""

    device: RequestedDevice
    dtype: RequestedDtype
    workers: int | None = Field(ge=1)
    batch_tokens: BatchTokens
    shard_characters: int = Field(ge=1)
    time_budget: float | None = Field(gt=0)


class EmbeddingConfig(Config):
    """Parameters ``embedding``."""

    preset: str | None
    encoder: EncoderConfig
    reward_model: RewardModelConfig
    inference: InferenceConfig
