"""Parameters of the pipeline ``reporting``."""

from pydantic import BaseModel, ConfigDict, Field


class ReportingConfig(BaseModel):
    """Parameters ``reporting``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_bins: int = Field(ge=2, le=50)
    """Bins of the reliability diagram; each holds the same number of predictions."""
    top_features: int = Field(ge=1, le=100)
    """How many features the importance figure names."""
    n_resamples: int = Field(ge=20, le=100_000)
    """Resamplings of the prompt groups behind each interval."""
    length_bins: int = Field(ge=2, le=50)
    """Bins of the audit for verbosity; each holds the same number of battles."""
    top_models: int = Field(ge=1, le=60)
    """How many chatbots are audited; those with the most battles are."""
    highest_loss_battles: int = Field(ge=1, le=100)
    """How many of the battles with the highest log loss the report shows."""
    excerpt_characters: int = Field(ge=100, le=20_000)
    """Characters that the report shows of a prompt or an answer; longer ones are cut in the middle."""
