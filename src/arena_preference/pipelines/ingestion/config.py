"""Parameters of the pipeline ``ingestion``; conf/base/parameters_ingestion.yml explains each of them."""

from pydantic import BaseModel, ConfigDict, Field


class IngestionConfig(BaseModel):
    """Parameters ``ingestion``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_splits: int = Field(ge=3, le=50)
    sample_fraction: float = Field(gt=0, le=1)
