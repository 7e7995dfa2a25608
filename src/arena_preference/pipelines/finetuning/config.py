"""Parameters of the pipeline ``finetuning``, described in ``conf/base/parameters_finetuning.yml``."""

from typing import Literal

from pydantic import Field, model_validator

from arena_preference.config import Config
from arena_preference.device import RequestedDevice, RequestedDtype

Template = Literal["text", "chat"]
Pooling = Literal["mean", "last"]


class InputConfig(Config):
    """Parameters ``finetuning.input``."""

    template: Template | None
    max_tokens: int = Field(ge=16)
    """Of one input, template included; the pointwise head reads two inputs per battle."""


class LoraConfig(Config):
    """Parameters ``finetuning.lora``, by peft's names (Hu et al., 2021)."""

    r: int = Field(ge=1)
    lora_alpha: int = Field(ge=1)
    lora_dropout: float = Field(ge=0, lt=1)


class TrainingConfig(Config):
    """Parameters ``finetuning.training``."""

    epochs: float = Field(gt=0)
    learning_rate: float = Field(gt=0)
    warmup_steps: float = Field(ge=0)
    weight_decay: float = Field(ge=0)
    label_smoothing: float = Field(ge=0, lt=1)
    batch_size: int = Field(ge=1)
    both_orders: bool
    """Without effect on the pointwise head, which has no order."""
    validation_fraction: float = Field(gt=0, lt=0.5)
    evaluations_per_epoch: int = Field(ge=1)
    patience: int = Field(ge=1)
    gradient_checkpointing: bool


class DeviceConfig(Config):
    """Parameters ``finetuning.device``, which change what is learned by rounding only."""

    kind: RequestedDevice
    dtype: RequestedDtype
    """Of matrix products and frozen weights; trained weights are always float32."""
    tokens: int = Field(ge=1)
    processes: int | None = Field(ge=1)


class FinetuningConfig(Config):
    """Parameters ``finetuning``."""

    preset: str | None
    enabled: bool
    """If False, nothing is loaded and the tables of logits have only the column id."""
    model: str = Field(min_length=1)
    revision: str | None
    method: Literal["full", "lora", "qlora"]
    head: Literal["pointwise", "pairwise"]
    pooling: Pooling | None
    refit: bool
    input: InputConfig
    lora: LoraConfig
    training: TrainingConfig
    device: DeviceConfig

    @property
    def training_orders(self) -> int:
        """Inputs per battle in training: two, unless a pairwise model learns from one order."""
        return 2 if self.head == "pointwise" or self.training.both_orders else 1

    @model_validator(mode="after")
    def _check_head(self) -> "FinetuningConfig":
        if self.head == "pairwise" and self.pooling is not None:
            raise ValueError("pooling belongs to head pointwise; with head pairwise, set it to null.")
        return self
