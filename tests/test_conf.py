"""The environments under conf."""

from pathlib import Path

import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from arena_preference.pipelines.embedding.options import EmbeddingOptions
from arena_preference.pipelines.features.options import TextFeatureOptions, TextVectorizerOptions
from arena_preference.pipelines.modelling.options import ModellingOptions
from arena_preference.pipelines.reporting.options import ReportingOptions
from arena_preference.pipelines.simulation.options import SimulationOptions

PROJECT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("env", "encoder", "rewarded"),
    [
        ("base", "sentence-transformers/all-MiniLM-L6-v2", False),
        ("test", "sentence-transformers/all-MiniLM-L6-v2", False),
        ("gpu", "Qwen/Qwen3-Embedding-0.6B", True),
        ("kaggle", "sentence-transformers/all-MiniLM-L6-v2", False),
    ],
)
def test_every_environment_gives_each_pipeline_the_parameters_that_it_takes(
    env: str, encoder: str, rewarded: bool
) -> None:
    bootstrap_project(PROJECT)
    with KedroSession.create(PROJECT, env=env) as session:
        parameters = session.load_context().config_loader["parameters"]
    embedding = EmbeddingOptions(**parameters["embedding"])
    assert (embedding.encoder.model, embedding.reward_model.enabled) == (encoder, rewarded)
    # A commit, so that nothing is fetched but what was meant.
    assert all(len(model.revision or "") == 40 for model in (embedding.encoder, embedding.reward_model))
    ModellingOptions(**parameters["modelling"])
    ReportingOptions(**parameters["reporting"])
    SimulationOptions(**parameters["simulation"])
    TextFeatureOptions(**parameters["features"]["text"])
    TextVectorizerOptions(**parameters["features"]["vectorizer"])


@pytest.mark.parametrize(("env", "folder"), [("base", "data/01_raw/demo"), ("kaggle", "data/01_raw/kaggle")])
def test_env_kaggle_reads_what_the_download_writes(env: str, folder: str) -> None:
    bootstrap_project(PROJECT)
    with KedroSession.create(PROJECT, env=env) as session:
        catalog = session.load_context().config_loader["catalog"]
    names = ("train.raw_battles", "test.raw_battles", "test.labels")
    read = [catalog[name]["filepath"] for name in names]
    assert read == [f"{folder}/{file}.csv" for file in ("train", "test", "test_labels")]
    written = [catalog[f"downloaded.{name}"]["filepath"] for name in ("train", "test", "test_labels")]
    assert (written == read) == (env == "kaggle")
