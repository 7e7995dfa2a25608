"""Tiny encoders and reward models with random weights, written as their libraries write them."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    BertConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

from arena_preference.pipelines.embedding.config import EmbeddingConfig

WORDS = ["the", "river", "runs", "down", "to", "sea", "and", "keeps", "its", "name", "who", "gave", "it", "a", "boat"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]

CONFIGURATIONS = {
    "bert": BertConfig(
        vocab_size=128, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=64, pad_token_id=0,
    ),
    "qwen3": Qwen3Config(
        vocab_size=128, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
        intermediate_size=64, max_position_embeddings=64, pad_token_id=0, bos_token_id=2, eos_token_id=3,
    ),
}  # fmt: skip

CHAT_TEMPLATE = "{% for message in messages %}[CLS] {{ message.role }} : {{ message.content }} [SEP]{% endfor %}"

MakeModel = Callable[..., Path]


def make_tokenizer(padding_side: str, special_tokens: bool) -> PreTrainedTokenizerFast:
    vocabulary = [
        *SPECIAL,
        *WORDS,
        *(prefix + letter for letter in "abcdefghijklmnopqrstuvwxyz" for prefix in ("", "##")),
    ]
    ids = {token: number for number, token in enumerate(dict.fromkeys(vocabulary))}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token=SPECIAL[1]))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    if special_tokens:
        tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    roles = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, padding_side=padding_side, model_max_length=64, **roles)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Let tests that run side by side not wait for each other's threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def make_encoder(tmp_path_factory: pytest.TempPathFactory) -> MakeModel:
    """Write a tiny encoder; ``pooling`` None leaves out the modules that sentence-transformers adds."""

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
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            AutoModel.from_config(CONFIGURATIONS[kind]).save_pretrained(folder)
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
    """Write a tiny sequence classifier."""

    def make(
        logits: int = 1, chat_template: str | None = CHAT_TEMPLATE, padding_side: str = "right", **changes: Any
    ) -> Path:
        folder = tmp_path_factory.mktemp("reward_model")
        config = copy.deepcopy(CONFIGURATIONS["qwen3"])
        config.update({"num_labels": logits, "max_position_embeddings": 512, **changes})
        with torch.random.fork_rng():
            torch.manual_seed(0)
            AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
        tokenizer = make_tokenizer(padding_side, special_tokens=False)
        tokenizer.chat_template = chat_template
        tokenizer.save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def mean_encoder(make_encoder: MakeModel) -> Path:
    return make_encoder(pooling={"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False})


@pytest.fixture(scope="session")
def default_options(request: pytest.FixtureRequest) -> EmbeddingConfig:
    parameters = request.config.rootpath / "conf" / "base" / "parameters_embedding.yml"
    return EmbeddingConfig(**yaml.safe_load(parameters.read_text())["embedding"])


@pytest.fixture
def options(default_options: EmbeddingConfig, mean_encoder: Path) -> EmbeddingConfig:
    """A tiny encoder, exact vectors, small shards."""
    encoder = {
        "model": str(mean_encoder), "revision": None, "stride": 8, "storage_dtype": "float32",
        "n_components": 4,
    }  # fmt: skip
    inference = {"device": "cpu", "precision": "float32", "shard_characters": 2000}
    return default_options.model_copy(
        update={
            "encoder": default_options.encoder.model_copy(update=encoder),
            "inference": default_options.inference.model_copy(update=inference),
        }
    )
