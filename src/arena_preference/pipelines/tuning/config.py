"""Parameters of the pipeline ``tuning``."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Range(BaseModel):
    """Where a setting is searched, both ends included; in equal ratios rather than equal steps if ``log``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: float = Field(gt=0)
    high: float = Field(gt=0)
    log: bool = False

    @model_validator(mode="after")
    def _check_order(self) -> "Range":
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}: exchange them.")
        return self


class SearchSpace(BaseModel):
    """Ranges of CatBoost's settings; the names are those of ``modelling.catboost``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    iterations: Range
    learning_rate: Range
    depth: Range
    l2_leaf_reg: Range
    rsm: Range


class TuningConfig(BaseModel):
    """Parameters ``tuning``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trials: int = Field(ge=1)
    """Finished trials that the study is to have, those of earlier runs among them."""
    space: SearchSpace
