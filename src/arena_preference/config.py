"""The base class of all typed parameters."""

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """Parameters that reject unknown names and cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
