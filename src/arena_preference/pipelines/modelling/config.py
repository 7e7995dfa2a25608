"""Parameters of the pipeline ``modelling``."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class BagOfWordsConfig(BaseModel):
    """Parameters ``modelling.bow_model``: two logistic regressions on TF-IDF differences."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    C_side: float = Field(gt=0)
    """scikit-learn's C (inverse regularization strength) of the model that tells A from B."""
    C_tie: float = Field(gt=0)
    """C of the model that tells ties from preferences."""
    max_iter: int = Field(ge=1)


class CatBoostConfig(BaseModel):
    """Parameters ``modelling.catboost``, under CatBoost's own names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    iterations: int = Field(ge=1)
    learning_rate: float = Field(gt=0, le=1)
    depth: int = Field(ge=1, le=12)
    l2_leaf_reg: float = Field(ge=0)
    rsm: float = Field(gt=0, le=1)
    """Fraction of the features that each split may choose from; a GPU always uses all of them."""
    border_count: int = Field(ge=1, le=255)
    thread_count: Literal[-1] | Annotated[int, Field(ge=1)]
    """-1 uses all cores. Another count can change the last digits."""
    task_type: Literal["auto", "CPU", "GPU"]
    """auto uses a CUDA device, if there is one, from 20,000 battles on. The models differ: see ``rsm``."""


class ModellingConfig(BaseModel):
    """Parameters ``modelling``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bow_model: BagOfWordsConfig
    catboost: CatBoostConfig
    consensus_dropout: float = Field(ge=0, lt=1)
    """Fraction of the battles whose consensus features are set to 0 when a model is fitted."""
    seeds_per_fold: int = Field(ge=1, le=100)
    """CatBoost models per fold with different seeds, which are averaged."""
    train_sizes: tuple[Annotated[float, Field(gt=0, le=1)], ...]
    """Fractions of the training battles at which the learning curve is measured; empty for no curve."""
    learning_curve_iterations: int = Field(ge=1)
    """Trees of each model of the learning curve, in place of ``catboost.iterations``."""
    ablation: bool
    """Whether to measure the log loss without each feature group."""
    n_bins: int = Field(ge=2, le=100)
    """Bins of equal width for the expected calibration error."""
    n_resamples: int = Field(ge=10)
    """Bootstrap resamples of prompt groups behind each interval."""
