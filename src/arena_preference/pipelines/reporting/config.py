"""Parameters of the pipeline ``reporting``."""

from pydantic import BaseModel, ConfigDict, Field


class ReportingConfig(BaseModel):
    """Parameters ``reporting``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_bins: int = Field(ge=2, le=50)
    """Bins of the reliability diagram, with equal counts of predictions."""
    n_resamples: int = Field(ge=20, le=100_000)
    """Bootstrap resamples of the prompt groups behind each interval."""
    length_bins: int = Field(ge=2, le=50)
    """Bins of the verbosity audit, with equal counts of battles."""
    top_models: int = Field(ge=1, le=60)
    """Models with the most battles that the self-enhancement audit compares."""
    top_features: int = Field(ge=1, le=100)
    """Features that the importance figure names."""
    highest_loss_battles: int = Field(ge=1, le=100)
    """Battles with the highest log loss that the report shows."""
    excerpt_characters: int = Field(ge=100, le=20_000)
    """Characters that the report shows of a prompt or response; longer ones lose their middle."""
