"""Parameters of the pipeline ``ingestion``."""

from pydantic import BaseModel, ConfigDict, Field


class IngestionConfig(BaseModel):
    """Parameters ``ingestion``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_splits: int = Field(ge=3, le=50)
    """Number of stratified folds; a prompt group lies in one of them."""
    sample_fraction: float = Field(gt=0, le=1)
    """Fraction of the prompt groups whose battles the transformers and the projection are fitted on."""
