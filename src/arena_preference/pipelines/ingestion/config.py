"""Parameters of the pipeline ``ingestion``; conf/base/parameters_ingestion.yml explains each of them."""

from pydantic import Field

from arena_preference.config import Config


class IngestionConfig(Config):
    """Parameters ``ingestion``."""

    n_splits: int = Field(ge=3, le=50)
    sample_fraction: float = Field(gt=0, le=1)
