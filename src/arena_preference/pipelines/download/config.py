"""Parameters of the pipeline ``download``."""

from typing import Literal

from pydantic import Field

from arena_preference.config import Config


class HubConfig(Config):
    """Parameters ``download.hub``: the competition's training battles on the Hugging Face Hub."""

    dataset: str
    revision: str
    """Commit, tag or branch."""
    test_battles: int = Field(ge=1)
    """Number of battles, in whole prompt groups, that become the test file, which the Hub lacks."""


class DownloadConfig(Config):
    """Parameters ``download``."""

    source: Literal["hub", "kaggle"]
    hub: HubConfig
    competition: str
    """Name of the competition in its address on Kaggle."""
    train_rows: int | None = Field(ge=1)
    """Expected number of training battles; a file with another number is rejected. None accepts any."""
    train_sha256: str | None = Field(pattern="^[0-9a-f]{64}$")
    """Expected SHA-256 of the training file; another file is used with a warning. None accepts any."""
