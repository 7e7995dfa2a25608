"""Typed parameters of the pipeline ``download``."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class HubOptions(BaseModel):
    """Parameters ``download.hub``: the competition's training battles on the Hugging Face Hub."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    revision: str | None
    """Commit, tag or branch; None is the newest."""
    test_share: float = Field(gt=0, lt=1)
    """There is no test file: so much of the battles, whole prompt groups, become one."""


class DownloadOptions(BaseModel):
    """Parameters ``download``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["hub", "kaggle"]
    hub: HubOptions
    competition: str
    """Name in the competition's address on Kaggle."""
    train_rows: int | None = Field(ge=1)
    """How many battles the training file is known to have; None checks nothing."""
    train_sha256: str | None
    """How the SHA-256 of the training file is known to begin, in hexadecimal digits."""
