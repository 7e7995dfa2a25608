"""Parameters of the pipeline ``embedding``; conf/base/parameters_embedding.yml explains each of them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Pooling = Literal["mean", "cls", "last"]
LongTexts = Literal["windows", "truncate"]


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EncoderConfig(_Config):
    """Parameters ``embedding.encoder``. None stands for what the encoder's own files say."""

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


class RewardModelConfig(_Config):
    """Parameters ``embedding.reward_model``."""

    enabled: bool
    model: str = Field(min_length=1)
    revision: str | None
    max_tokens: int = Field(ge=1)
    tail_tokens: int = Field(ge=0)


class BatchTokens(_Config):
    """Parameters ``embedding.inference.batch_tokens``."""

    cpu: int = Field(ge=1)
    cuda: int = Field(ge=1)
    mps: int = Field(ge=1)


class InferenceConfig(_Config):
    """Parameters ``embedding.inference``: how models are run. Only ``dtype`` changes the vectors."""

    device: Literal["auto", "cpu", "cuda", "mps"]
    dtype: Literal["auto", "float32", "bfloat16", "float16"]
    workers: int | None = Field(ge=1)
    batch_tokens: BatchTokens
    shard_characters: int = Field(ge=1)
    time_budget: float | None = Field(gt=0)


class EmbeddingConfig(_Config):
    """Parameters ``embedding``."""

    preset: str | None
    encoder: EncoderConfig
    reward_model: RewardModelConfig
    inference: InferenceConfig
