"""Parameters of the pipeline ``download``."""

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from arena_preference.config import Config

#: Name of the competition's training battles among several files.
COMPETITION: Final = "55k"


class HubDataset(Config):
    """A dataset on the Hugging Face Hub."""

    dataset: str
    revision: str
    """Commit, tag or branch."""


class HubConfig(HubDataset):
    """Parameters ``download.hub``: the competition's training battles on the Hugging Face Hub."""

    test_battles: int = Field(ge=1)
    """Number of battles, in whole prompt groups, that become the test file, which the Hub lacks."""


class FurtherDataset(Config):
    """A value of the parameters ``download.datasets``: further votes on the Hugging Face Hub."""

    dataset: str
    revision: str | None
    """Commit, tag or branch; None is the main branch as it is now."""
    files: str = Field(pattern=r"\.parquet$")
    """Pattern of the names of its files."""


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
    also: list[str]
    """Names in ``datasets`` of further votes to train on."""
    datasets: dict[Annotated[str, Field(pattern=r"^[\w-]+$")], FurtherDataset]

    @model_validator(mode="after")
    def _check_names(self) -> "DownloadConfig":
        if COMPETITION in self.datasets:
            raise ValueError(f"download.datasets has the name {COMPETITION}, which is the competition's. Rename it.")
        if unknown := [name for name in self.also if name not in self.datasets]:
            raise ValueError(
                f"download.also has {', '.join(unknown)}, which download.datasets lacks. It has: "
                f"{', '.join(self.datasets)}."
            )
        return self
