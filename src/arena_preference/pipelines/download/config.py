"""Typed parameters of the pipeline ``download``."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class HubConfig(BaseModel):
    """Parameters ``download.hub``: the competition's training battles on the Hugging Face Hub."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    revision: str
    """Commit, tag or branch."""
    test_battles: int = Field(ge=1)
    """There is no test file: so many battles, whole prompt groups, become one."""


class DownloadConfig(BaseModel):
    """Parameters ``download``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["hub", "kaggle"]
    hub: HubConfig
    competition: str
    """Name in the competition's address on Kaggle."""
    train_rows: int | None = Field(ge=1)
    """How many battles the training file is known to have; another file is refused. None takes any."""
    train_sha256: str | None = Field(pattern="^[0-9a-f]{64}$")
    """The SHA-256 that the training file is known to have; another file is used with a warning. None takes any."""
