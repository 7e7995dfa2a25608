"""Parameters of the pipeline ``tuning``."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Range(BaseModel):
    """Range of a parameter, both ends included; sampled on a log scale if ``log``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: float = Field(gt=0)
    high: float = Field(gt=0)
    log: bool = False


class TuningConfig(BaseModel):
    """Parameters ``tuning``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trials: int = Field(ge=1)
    """Complete trials of the study after the run, those of earlier runs included."""
    seed: int = Field(ge=0, lt=2**32)
    """Seed of the sampler and of every trial's models, so that trials differ in their parameters alone."""
    space: dict[Literal["iterations", "learning_rate", "depth", "l2_leaf_reg", "rsm"], Range]
    """Range of each parameter of ``modelling.catboost`` that is searched."""
