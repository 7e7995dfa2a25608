"""Parameters of the pipeline ``modelling``."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class CatBoostOptions(BaseModel):
    """Settings of each CatBoost model; the names are CatBoost's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    iterations: int = Field(ge=1)
    """Most trees that a model may have; early stopping usually takes fewer."""
    learning_rate: float = Field(gt=0, le=1)
    depth: int = Field(ge=1, le=12)
    l2_leaf_reg: float = Field(ge=0)
    rsm: float = Field(gt=0, le=1)
    """Share of the features that each split may choose from."""
    border_count: int = Field(ge=1, le=65535)
    """Values at which a feature may be split; fewer take less time and memory."""
    thread_count: Literal[-1] | Annotated[int, Field(ge=1)]
    """-1 takes all cores. Another count may change the last digits."""


class ModellingOptions(BaseModel):
    """Parameters ``modelling``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folds: int = Field(ge=2, le=50)
    """Number of stratified folds; a prompt group lies in one of them."""
    early_stopping_share: float = Field(gt=0, lt=0.5)
    """Share of each fold's training part, in whole prompt groups, that decides on the number of trees."""
    early_stopping_rounds: int = Field(ge=1)
    """Trees without a gain after which a model stops."""
    catboost: CatBoostOptions
    calibration_bins: int = Field(ge=2, le=100)
    """Bins of equal width for the expected calibration error."""
    bootstrap_draws: int = Field(ge=10)
    """Draws of whole prompt groups behind each interval."""
