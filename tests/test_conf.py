"""The environments under conf; presets have tests of their own."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io import CatalogConfigResolver
from pydantic import BaseModel

from arena_preference.pretrained import EMBEDDED_MODEL, EMBEDDED_REVISION

PROJECT = Path(__file__).parents[1]


def load_context(env: str, **params: Any) -> Any:
    bootstrap_project(PROJECT)
    with KedroSession.create(PROJECT, env=env, runtime_params=params) as session:
        return session.load_context()


# Kedro 1.7 reads the fields of a typed parameter in a way that pydantic 2.11 deprecates, and warns of dots in names of
# datasets.
@pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute:DeprecationWarning")
@pytest.mark.parametrize("env", ["base", "test", "kaggle", "cluster"])
def test_every_environment_has_valid_parameters_for_all_pipelines_and_needs_no_model_from_the_hub(env: str) -> None:
    context = load_context(env)
    # Kedro validates what the nodes of any pipeline annotate with a model.
    validated = {name for name, value in context.params.items() if isinstance(value, BaseModel)}
    assert {"finetuning", "modelling", "reporting", "simulation"} <= validated
    parameters = context.config_loader["parameters"]
    encoder = parameters["embedding"]["encoder"]
    assert (encoder["model"], encoder["revision"]) == (EMBEDDED_MODEL, EMBEDDED_REVISION)
    assert not parameters["embedding"]["reward_model"]["enabled"]
    assert not parameters["finetuning"]["enabled"]


@pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute:DeprecationWarning")
def test_a_stored_submission_has_the_ids_as_they_are_written(tmp_path: Path) -> None:
    ids = ["007", "7", "NA", "1e5", "4294967297"]
    rows = pd.DataFrame({"id": ids, "winner_model_a": 0.5, "winner_model_b": 0.3, "winner_tie": 0.2})
    catalog = load_context("base", data_root=str(tmp_path)).catalog
    catalog.save("submission", rows)
    pd.testing.assert_frame_equal(catalog.load("submission"), rows)


@pytest.mark.parametrize(("env", "folder"), [("base", "data/01_raw/demo"), ("kaggle", "data/01_raw/kaggle")])
def test_env_kaggle_reads_what_the_download_writes(env: str, folder: str) -> None:
    catalog = CatalogConfigResolver(load_context(env).config_loader["catalog"])
    names = ("train_raw_battles", "test_raw_battles", "test_labels")
    read = [catalog.resolve_pattern(name)["filepath"] + ".csv" for name in names]
    assert read == [f"{folder}/{file}.csv" for file in ("train", "test", "test_labels")]
    written = [catalog.resolve_pattern(f"downloaded_{name}")["filepath"] for name in ("train", "test", "test_labels")]
    assert (written == read) == (env == "kaggle")
