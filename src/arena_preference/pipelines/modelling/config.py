"""Parameters of the pipeline ``modelling``; conf/base/parameters_modelling.yml explains each of them."""

from typing import Annotated, Literal

from pydantic import Field

from arena_preference.config import Config


class LinearModelConfig(Config):
    """Parameters ``modelling.linear_model``: penalties on its squared coefficients."""

    alpha_side: float = Field(gt=0)
    alpha_tie: float = Field(gt=0)
    alpha_models: float = Field(gt=0)


class CatBoostConfig(Config):
    """Parameters ``modelling.catboost``, under CatBoost's own names."""

    iterations: int = Field(ge=1)
    learning_rate: float = Field(gt=0, le=1)
    depth: int = Field(ge=1, le=12)
    l2_leaf_reg: float = Field(ge=0)
    rsm: float = Field(gt=0, le=1)
    border_count: int = Field(ge=1, le=255)
    thread_count: Literal[-1] | Annotated[int, Field(ge=1)]
    task_type: Literal["auto", "CPU", "GPU"]


class ModellingConfig(Config):
    """Parameters ``modelling``."""

    linear_model: LinearModelConfig
    catboost: CatBoostConfig
    shrinkage: float = Field(ge=0)
    tie_prior: float = Field(ge=0, lt=1)
    consensus_dropout: float = Field(ge=0, lt=1)
    seeds_per_fold: int = Field(ge=1, le=100)
    train_sizes: tuple[Annotated[float, Field(gt=0, le=1)], ...]
    ablation: bool
    n_bins: int = Field(ge=2, le=100)
    n_resamples: int = Field(ge=10)
