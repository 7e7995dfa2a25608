"""Parameters of the pipeline ``finetuning``."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from arena_preference.device import RequestedDevice, RequestedDtype

Method = Literal["full", "lora", "qlora"]
Head = Literal["comparison", "joint"]
Template = Literal["text", "chat"]
Pooling = Literal["mean", "last"]


class InputConfig(BaseModel):
    """Parameters ``finetuning.input``: what the model reads of a battle."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    template: Template | None
    """Texts between special tokens, or the tokenizer's chat template; None takes the latter where there is one."""
    max_tokens: int = Field(ge=16)
    """Of an input, all that the template adds included; the head comparison reads two such inputs for a battle."""


class LoraConfig(BaseModel):
    """Parameters ``finetuning.lora``: low-rank adapters of all linear layers (Hu et al., 2021)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: int = Field(ge=1)
    alpha: int = Field(ge=1)
    """The adapters' output is scaled by alpha / rank."""
    dropout: float = Field(ge=0, lt=1)


class TrainingConfig(BaseModel):
    """Parameters ``finetuning.training``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: float = Field(gt=0)
    """At most; early stopping may end before."""
    learning_rate: float = Field(gt=0)
    warmup: float = Field(ge=0)
    """Steps over which the learning rate rises to its value; below 1 a share of all steps."""
    weight_decay: float = Field(ge=0)
    label_smoothing: float = Field(ge=0, lt=1)
    batch_size: int = Field(ge=1)
    """Battles behind each step of the optimizer, over all devices."""
    both_orders: bool
    """Head joint: each battle is read in both orders in the same step. The head comparison has no order."""
    validation_fraction: float = Field(gt=0, lt=0.5)
    """Share of the training battles, in whole prompt groups, on which the log loss decides when to stop."""
    evaluations_per_epoch: int = Field(ge=1)
    """How often the log loss is measured there, and a checkpoint is written."""
    patience: int = Field(ge=1)
    """Training ends after so many measurements without a better log loss; the best checkpoint is kept."""
    gradient_checkpointing: bool
    """Compute activations again rather than keep them: less memory, a third more time."""


class DeviceConfig(BaseModel):
    """Parameters ``finetuning.device``: how models are run. None of them changes what is learned, but for rounding."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: RequestedDevice
    precision: RequestedDtype
    """Of products; weights that are trained are always float32."""
    tokens: int = Field(ge=1)
    """Most tokens, with padding, that go through a device at once; what a step needs more is accumulated."""
    processes: int | None = Field(ge=1)
    """Processes that share each step; None takes one for each CUDA device, and one elsewhere."""


class FinetuningConfig(BaseModel):
    """Parameters ``finetuning``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool
    """Without it there are no logits of a cross encoder, and nothing is loaded."""
    model: str = Field(min_length=1)
    """A folder, or the name of any transformers model on the Hugging Face Hub."""
    revision: str | None
    """Commit, tag or branch on the Hub; None is the newest. A folder has none."""
    method: Method
    """Train all weights, low-rank adapters, or low-rank adapters of weights that are held in 4 bits."""
    head: Head
    """Encode each answer with its prompt and compare, or read both answers at once and classify."""
    pooling: Pooling | None
    """Head comparison: how token vectors become one; None takes the last of a decoder and the mean of an encoder."""
    refit: bool
    """Whether the test battles are scored by one more model, trained on all folds, or by the average of the folds'."""
    input: InputConfig
    lora: LoraConfig
    training: TrainingConfig
    device: DeviceConfig

    @model_validator(mode="after")
    def _check_head(self) -> "FinetuningConfig":
        if self.head == "joint" and self.pooling is not None:
            raise ValueError("pooling belongs to the head comparison; with the head joint, leave it null.")
        return self
