"""Tiny models with random weights, and battles whose winner a tiny model can learn."""

import copy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    DistilBertConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

from arena_preference.datasets import ModelStore
from arena_preference.pipelines.finetuning.config import FinetuningConfig
from arena_preference.pipelines.finetuning.nodes import CrossEncoders, train_cross_encoders
from arena_preference.targets import SOFT_LABELS

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = ["good", "bad", "the", "river", "runs", "to", "sea", "user", "assistant", "answer", "question", ":", "?"]
CHAT_TEMPLATE = "{% for message in messages %}[CLS] {{ message.role }} : {{ message.content | trim }} [SEP]{% endfor %}"

MakeModel = Callable[[str], Path]
MakeConfig = Callable[..., FinetuningConfig]
Train = Callable[..., tuple[FinetuningConfig, ModelStore, CrossEncoders]]


def make_tokenizer(chat_template: str | None) -> PreTrainedTokenizerFast:
    letters = [prefix + letter for letter in "abcdefghijklmnopqrstuvwxyz" for prefix in ("", "##")]
    ids = {token: number for number, token in enumerate(dict.fromkeys([*SPECIAL, *WORDS, *letters]))}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    roles = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=chat_template, **roles)


def set_votes(table: pd.DataFrame, label: Any) -> pd.DataFrame:
    """Give all battles plain votes."""
    votes = dict(zip(SOFT_LABELS, np.eye(3)[label].T, strict=True))
    return table.assign(label=np.asarray(label, dtype="int8"), **votes, weight=1.0)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tests that run in parallel must not compete for cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> MakeModel:
    """Write an encoder of DistilBERT's family, or a decoder of Llama's with a chat template."""
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            with torch.random.fork_rng():
                torch.manual_seed(0)
                if kind == "distilbert":
                    config: Any = DistilBertConfig(
                        vocab_size=80, dim=32, n_layers=2, n_heads=4, hidden_dim=64, max_position_embeddings=128
                    )
                    AutoModel.from_config(config).save_pretrained(folder)
                else:
                    config = LlamaConfig(
                        vocab_size=80, hidden_size=64, num_hidden_layers=2, num_attention_heads=4,
                        num_key_value_heads=2, intermediate_size=128, max_position_embeddings=128, pad_token_id=0,
                        bos_token_id=2, eos_token_id=3,
                    )  # fmt: skip
                    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
            make_tokenizer(None if kind == "distilbert" else CHAT_TEMPLATE).save_pretrained(folder)
            made[kind] = folder
        return made[kind]

    return make


@pytest.fixture(scope="session")
def make_config(request: pytest.FixtureRequest, make_model: MakeModel) -> MakeConfig:
    """The parameters of env base for a tiny model, with some of them changed."""
    path = request.config.rootpath / "conf" / "base" / "parameters_finetuning.yml"
    base = yaml.safe_load(path.read_text())["finetuning"]
    tiny = {
        "enabled": True,
        "revision": None,
        "input": {"max_tokens": 32},
        "lora": {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0},
        "training": {
            "epochs": 20, "learning_rate": 3e-3, "batch_size": 8, "evaluations_per_epoch": 1, "patience": 9,
        },
        "device": {"kind": "cpu", "dtype": "float32", "tokens": 512, "processes": None},
    }  # fmt: skip

    def make(model: str = "distilbert", **changes: Any) -> FinetuningConfig:
        merged = {**base, "model": str(make_model(model))}
        for part in (tiny, changes):
            for name, value in part.items():
                merged[name] = {**merged[name], **value} if isinstance(value, dict) else value
        return FinetuningConfig.model_validate(merged)

    return make


@pytest.fixture(scope="session")
def battles() -> pd.DataFrame:
    """90 battles in 30 prompt groups: the response that says "good" wins, and a tie is where both or none do."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(90):
        quality = rng.permutation([[1, 0], [0, 1], [1, 1]])[0]
        neutral = [" ".join(rng.choice(["the", "river", "runs", "to", "sea"], size=rng.integers(2, 8))) for _ in "ab"]
        a, b = (f"{'good' if good else 'bad'} {words}" for good, words in zip(quality, neutral, strict=True))
        label = 2 if quality[0] == quality[1] else int(quality[1])
        rows.append(
            {
                "id": str(2**32 + number),
                "source": "train.csv",
                "prompt": [f"question {'abcdefghij'[number % 10]} ?"],
                "response_a": [a],
                "response_b": [b],
                "prompt_group": f"group-{number % 30}",
                "label": label,
            }
        )
    return pd.DataFrame(rows).astype({"label": "int8"})


@pytest.fixture(scope="session")
def labels(battles: pd.DataFrame) -> pd.DataFrame:
    """Two folds."""
    fold = battles["prompt_group"].str.removeprefix("group-").astype(int) % 2
    columns = battles[["id", "source", "prompt_group"]]
    return set_votes(columns.assign(fold=fold.astype("int8")), battles["label"])


@pytest.fixture(scope="session")
def labelled(battles: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """The battles with the columns of their labels."""
    return battles.assign(**labels[[*SOFT_LABELS, "weight"]])


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store")


@pytest.fixture(scope="session")
def trained(
    make_config: MakeConfig, battles: pd.DataFrame, labels: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[FinetuningConfig, ModelStore, CrossEncoders]]:
    """Cross encoders of one epoch, by method, trained once."""
    done: dict[str, tuple[FinetuningConfig, ModelStore, CrossEncoders]] = {}

    def train(method: str) -> tuple[FinetuningConfig, ModelStore, CrossEncoders]:
        if method not in done:
            config = make_config(method=method, training={"epochs": 1})
            store = ModelStore(tmp_path_factory.mktemp(method) / "store")
            done[method] = config, store, train_cross_encoders(battles, labels, store, config, seed=0)
        return done[method]

    return train


@pytest.fixture
def train(trained: Train, store: ModelStore) -> Train:
    """Copies of them, for tests that change them."""

    def copy_trained(method: str = "full") -> tuple[FinetuningConfig, ModelStore, CrossEncoders]:
        config, original, cross_encoders = trained(method)
        shutil.copytree(original.path, store.path)
        return config, store, copy.deepcopy(cross_encoders)

    return copy_trained
