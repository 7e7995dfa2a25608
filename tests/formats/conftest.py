from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from arena_preference.pipelines.ingestion.config import IngestionConfig

_PARAMETERS = Path(__file__).parents[2] / "conf" / "base" / "parameters_ingestion.yml"


@pytest.fixture(scope="session")
def make_config() -> Callable[..., IngestionConfig]:
    """The base configuration of the ingestion, with other values for some parameters."""
    parameters = yaml.safe_load(_PARAMETERS.read_text())["ingestion"]

    def make(**other: Any) -> IngestionConfig:
        return IngestionConfig(**{**parameters, **other})

    return make
