"""Parameters of the pipeline ``ingestion``; conf/base/parameters_ingestion.yml explains each of them."""

from typing import Literal

from pydantic import Field, PositiveFloat

from arena_preference.config import Config


class IngestionConfig(Config):
    """Parameters ``ingestion``."""

    format: str | None
    max_rejected: float = Field(ge=0, le=1)
    allow_benchmarks: bool
    main_source: str | None
    source_weights: dict[str, PositiveFloat]
    strength_weights: bool
    n_splits: int = Field(ge=3, le=50)
    fold_groups: list[Literal["session", "judge"]]
    sample_fraction: float = Field(gt=0, le=1)
