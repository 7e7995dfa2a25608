"""Raw rows and parameters of the tests of ingestion."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from arena_preference.datasets import RawTable
from arena_preference.pipelines.ingestion.config import IngestionConfig

PROJECT = Path(__file__).parents[3]


def make_config(**changes: Any) -> IngestionConfig:
    defaults = yaml.safe_load((PROJECT / "conf/base/parameters_ingestion.yml").read_text(encoding="utf-8"))["ingestion"]
    return IngestionConfig(**{**defaults, "n_splits": 3, "max_rejected": 1, **changes})


def raw_row(**cells: Any) -> dict[str, Any]:
    row = {
        "id": "4294967296",
        "prompt": '["Why?"]',
        "response_a": '["Because."]',
        "response_b": '["No idea."]',
        "winner_model_a": "1",
        "winner_model_b": "0",
        "winner_tie": "0",
    }
    return {**row, **cells}


def raw_table(*rows: dict[str, Any], name: str = "train.csv", **options: Any) -> RawTable:
    return RawTable(name, f"folder/{name}", list(rows), list(rows), **options)


@pytest.fixture
def config() -> IngestionConfig:
    """The default parameters, with three folds and any number of rejected rows."""
    return make_config()
