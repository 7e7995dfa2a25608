"""Parameters of the pipeline ``reporting``; conf/base/parameters_reporting.yml explains each of them."""

from pydantic import Field

from arena_preference.config import Config


class ReportingConfig(Config):
    """Parameters ``reporting``."""

    n_bins: int = Field(ge=2, le=50)
    n_resamples: int = Field(ge=20, le=100_000)
    length_bins: int = Field(ge=2, le=50)
    top_models: int = Field(ge=1, le=60)
    top_features: int = Field(ge=1, le=100)
    highest_loss_battles: int = Field(ge=1, le=100)
    excerpt_characters: int = Field(ge=100, le=20_000)
