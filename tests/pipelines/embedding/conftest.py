"""Tiny encoders and reward models, as sentence-transformers and transformers write them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import AutoModelForSequenceClassification

from arena_preference.pipelines.embedding.config import EmbeddingConfig

from ...tiny_models import make_tokenizer, save_model

CHAT_TEMPLATE = "{% for message in messages %}[CLS] {{ message.role }} : {{ message.content }} [SEP]{% endfor %}"

MakeModel = Callable[..., Path]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Keep tests that run side by side from waiting for each other's threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def make_encoder(tmp_path_factory: pytest.TempPathFactory) -> MakeModel:
    """Write an encoder; ``pooling`` None omits the modules that sentence-transformers adds."""

    def make(
        kind: str = "bert",
        pooling: dict[str, Any] | None = None,
        normalize: bool = True,
        max_seq_length: int | None = None,
        padding_side: str = "right",
        special_tokens: bool = True,
        prompts: dict[str, Any] | None = None,
        seed: int = 0,
    ) -> Path:
        folder = tmp_path_factory.mktemp("encoder")
        save_model(folder, kind, seed=seed)
        make_tokenizer(padding_side, special_tokens).save_pretrained(folder)
        if pooling is not None:
            modules = [("", "Transformer"), ("1_Pooling", "Pooling")] + [("2_Normalize", "Normalize")] * normalize
            listed = [{"path": path, "type": f"sentence_transformers.models.{name}"} for path, name in modules]
            (folder / "modules.json").write_text(json.dumps(listed))
            (folder / "1_Pooling").mkdir()
            (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
        if max_seq_length is not None:
            (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": max_seq_length}))
        if prompts is not None:
            (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
        return folder

    return make


@pytest.fixture(scope="session")
def make_reward_model(tmp_path_factory: pytest.TempPathFactory) -> MakeModel:
    """Write a sequence classifier."""

    def make(
        logits: int = 1,
        chat_template: str | None = CHAT_TEMPLATE,
        padding_side: str = "right",
        kind: str = "qwen3",
        **changes: Any,
    ) -> Path:
        folder = tmp_path_factory.mktemp("reward_model")
        changes = {"num_labels": logits, "max_position_embeddings": 512, **changes}
        save_model(folder, kind, AutoModelForSequenceClassification, **changes)
        tokenizer = make_tokenizer(padding_side, special_tokens=False)
        tokenizer.chat_template = chat_template
        tokenizer.save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def mean_encoder(make_encoder: MakeModel) -> Path:
    return make_encoder(pooling={"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False})


@pytest.fixture(scope="session")
def reward_model(make_reward_model: MakeModel) -> Path:
    return make_reward_model()


@pytest.fixture(scope="session")
def default_config(request: pytest.FixtureRequest) -> EmbeddingConfig:
    parameters = request.config.rootpath / "conf" / "base" / "parameters_embedding.yml"
    return EmbeddingConfig(**yaml.safe_load(parameters.read_text())["embedding"])


def change(config: EmbeddingConfig, group: str, **changes: Any) -> EmbeddingConfig:
    return config.model_copy(update={group: getattr(config, group).model_copy(update=changes)})


@pytest.fixture(scope="session")
def config(default_config: EmbeddingConfig, mean_encoder: Path) -> EmbeddingConfig:
    """A tiny encoder that reads in windows, exact vectors, small shards."""
    encoder = {
        "model": str(mean_encoder), "revision": None, "max_tokens": None, "long_texts": "windows", "stride": 8,
        "tail_tokens": 0, "storage_dtype": "float32", "n_components": 4,
    }  # fmt: skip
    inference = {"device": "cpu", "dtype": "float32", "shard_characters": 2000}
    return change(change(default_config, "encoder", **encoder), "inference", **inference)
