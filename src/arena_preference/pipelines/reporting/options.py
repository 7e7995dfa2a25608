"""Parameters of the pipeline ``reporting``."""

from pydantic import BaseModel, ConfigDict, Field


class ReportingOptions(BaseModel):
    """Parameters ``reporting``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reliability_bins: int = Field(ge=2, le=50)
    """Bins of the reliability diagram; each holds the same number of predictions."""
    top_features: int = Field(ge=1, le=100)
    """How many features the importance figure names."""
