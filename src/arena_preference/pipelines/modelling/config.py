"""Parameters of the pipeline ``modelling``."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class BagOfWordsConfig(BaseModel):
    """Parameters ``modelling.bow_model``: two logistic regressions on the differences of the answers' words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    C_side: float = Field(gt=0)
    """Inverse strength of the penalty, scikit-learn's C, of the model that tells A from B."""
    C_tie: float = Field(gt=0)
    """The same of the model that tells ties from verdicts."""
    max_iter: int = Field(ge=1)
    """Most steps of the solver."""


class CatBoostConfig(BaseModel):
    """Settings of each CatBoost model; the names are CatBoost's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    iterations: int = Field(ge=1)
    """Trees of each model."""
    learning_rate: float = Field(gt=0, le=1)
    depth: int = Field(ge=1, le=12)
    l2_leaf_reg: float = Field(ge=0)
    rsm: float = Field(gt=0, le=1)
    """Share of the features that each split may choose from; on a GPU it is all of them."""
    border_count: int = Field(ge=1, le=255)
    """Values at which a feature may be split; fewer take less time and memory."""
    thread_count: Literal[-1] | Annotated[int, Field(ge=1)]
    """-1 takes all cores. Another count may change the last digits."""
    task_type: Literal["auto", "CPU", "GPU"]
    """auto takes a CUDA device, if there is one, for 20,000 battles or more; it changes the models: see ``rsm``."""


class ModellingConfig(BaseModel):
    """Parameters ``modelling``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bow_model: BagOfWordsConfig
    catboost: CatBoostConfig
    consensus_dropout: float = Field(ge=0, lt=1)
    """Share of the battles, drawn by the model's seed, that look as though theirs were the only answers."""
    seeds_per_fold: int = Field(ge=1, le=100)
    """CatBoost models that are averaged in each fold; they differ in their seeds."""
    train_sizes: tuple[Annotated[float, Field(gt=0, le=1)], ...]
    """Shares of the training battles at which the learning curve is measured; none leaves it out."""
    ablation: bool
    """Whether to measure what each family of features and the bag-of-words model are worth, by leaving it out."""
    n_bins: int = Field(ge=2, le=100)
    """Bins of equal width for the expected calibration error."""
    n_resamples: int = Field(ge=10)
    """Draws of whole prompt groups behind each interval."""
