"""Parameters of the pipeline ``tuning``; conf/base/parameters_tuning.yml explains each of them."""

from typing import Literal

from pydantic import Field

from arena_preference.config import Config


class Range(Config):
    """Range of a parameter, both ends included; sampled on a log scale if ``log``."""

    low: float = Field(gt=0)
    high: float = Field(gt=0)
    log: bool = False


class TuningConfig(Config):
    """Parameters ``tuning``."""

    trials: int = Field(ge=1)
    seed: int = Field(ge=0, lt=2**32)
    space: dict[Literal["iterations", "learning_rate", "depth", "l2_leaf_reg", "rsm"], Range]
