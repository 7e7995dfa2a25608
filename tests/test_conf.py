"""The environments under conf."""

from pathlib import Path

import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from arena_preference.pipelines.embedding.config import EmbeddingConfig
from arena_preference.pipelines.features.config import (
    CharLsaConfig,
    RelevanceConfig,
    TextFeatureConfig,
    WordTfidfConfig,
)
from arena_preference.pipelines.finetuning.config import FinetuningConfig
from arena_preference.pipelines.modelling.config import ModellingConfig
from arena_preference.pipelines.reporting.config import ReportingConfig
from arena_preference.pipelines.simulation.config import SimulationConfig

PROJECT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("env", "encoder", "rewarded", "finetuned"),
    [
        ("base", "sentence-transformers/all-MiniLM-L6-v2", False, None),
        ("test", "sentence-transformers/all-MiniLM-L6-v2", False, None),
        ("gpu", "Qwen/Qwen3-Embedding-0.6B", True, "Skywork/Skywork-Reward-V2-Qwen3-0.6B"),
        ("distilbert", "sentence-transformers/all-MiniLM-L6-v2", False, "distilbert/distilbert-base-uncased"),
        ("deberta", "sentence-transformers/all-MiniLM-L6-v2", False, "microsoft/deberta-v3-base"),
        ("gemma", "sentence-transformers/all-MiniLM-L6-v2", False, "google/gemma-2-9b-it"),
        ("kaggle", "sentence-transformers/all-MiniLM-L6-v2", False, None),
        ("cluster", "sentence-transformers/all-MiniLM-L6-v2", False, None),
    ],
)
def test_every_environment_gives_each_pipeline_the_parameters_that_it_takes(
    env: str, encoder: str, rewarded: bool, finetuned: str | None
) -> None:
    bootstrap_project(PROJECT)
    with KedroSession.create(PROJECT, env=env) as session:
        parameters = session.load_context().config_loader["parameters"]
    embedding = EmbeddingConfig(**parameters["embedding"])
    assert (embedding.encoder.model, embedding.reward_model.enabled) == (encoder, rewarded)
    finetuning = FinetuningConfig(**parameters["finetuning"])
    assert (finetuning.model if finetuning.enabled else None) == finetuned
    # A commit, so that nothing is fetched but what was meant.
    assert all(len(model.revision or "") == 40 for model in (embedding.encoder, embedding.reward_model, finetuning))
    ModellingConfig(**parameters["modelling"])
    ReportingConfig(**parameters["reporting"])
    SimulationConfig(**parameters["simulation"])
    TextFeatureConfig(**parameters["features"]["text"])
    CharLsaConfig(**parameters["features"]["char_lsa"])
    WordTfidfConfig(**parameters["features"]["word_tfidf"])
    RelevanceConfig(**parameters["features"]["relevance"])


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


def read_finetuning(env: str) -> FinetuningConfig:
    bootstrap_project(PROJECT)
    with KedroSession.create(PROJECT, env=env) as session:
        return FinetuningConfig(**session.load_context().config_loader["parameters"]["finetuning"])


def test_env_distilbert_is_the_usual_way_to_tune_it() -> None:
    options = read_finetuning("distilbert")
    assert (options.method, options.head, options.input.max_tokens) == ("full", "joint", 512)
    training = options.training
    assert (training.epochs, training.batch_size, training.warmup, training.weight_decay) == (3, 8, 500, 0.01)
    assert not training.both_orders


def test_env_gemma_has_weights_in_four_bits_and_reads_both_orders() -> None:
    options = read_finetuning("gemma")
    assert (options.method, options.head, options.training.both_orders) == ("qlora", "joint", True)
    # A battle in both orders goes through the device at once.
    assert options.device.tokens >= 2 * options.input.max_tokens


@pytest.mark.parametrize("env", ["gpu", "distilbert", "deberta", "gemma"])
def test_what_fine_tunes_says_how_much_memory_it_wants(env: str) -> None:
    assert "GB" in (PROJECT / "conf" / env / "parameters_finetuning.yml").read_text().partition("\nfinetuning:")[0]
