import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch

from arena_preference.pipelines.embedding.config import EmbeddingConfig, EncoderConfig
from arena_preference.pipelines.embedding.encoder import Encoder
from arena_preference.pipelines.embedding.encoder_settings import read_encoder_settings
from arena_preference.pretrained import find_model

from ...tiny_models import needs_embedded
from .conftest import MakeModel
from .test_encoder import CPU, LONG, embed


@pytest.fixture
def chosen(config: EmbeddingConfig) -> EncoderConfig:
    return config.encoder


@needs_embedded
def test_the_default_encoder_is_pooled_as_its_authors_do(default_config: EmbeddingConfig) -> None:
    chosen = default_config.encoder
    settings = read_encoder_settings(find_model(chosen.model, chosen.revision), chosen)
    assert (settings.pooling, settings.pool_prefix, settings.normalize) == ("mean", True, True)
    assert (settings.query_prefix, settings.document_prefix, settings.lower_case) == ("", "", False)


@pytest.mark.parametrize(
    ("pooler", "pooling"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False}, "last"),
        ({"pooling_mode": "mean", "embedding_dimension": 32}, "mean"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": ["lasttoken"], "include_prompt": False}, "last"),
    ],
)
@pytest.mark.parametrize("normalize", [True, False])
def test_pooling_normalisation_and_length_are_read_from_the_encoders_files(
    make_encoder: MakeModel, chosen: EncoderConfig, pooler: dict[str, Any], pooling: str, normalize: bool
) -> None:
    settings = read_encoder_settings(make_encoder(pooling=pooler, normalize=normalize, max_seq_length=16), chosen)
    assert (settings.pooling, settings.normalize, settings.max_tokens) == (pooling, normalize, 16)
    assert settings.pool_prefix is pooler.get("include_prompt", True)


def test_parameters_take_precedence_over_the_encoders_files(make_encoder: MakeModel, chosen: EncoderConfig) -> None:
    folder = make_encoder(pooling={"pooling_mode": "max"}, max_seq_length=16, prompts={"prompts": {"query": "find: "}})
    ours = {"pooling": "last", "normalize": False, "max_tokens": 8, "query_prefix": "", "document_prefix": "text: "}
    settings = dataclasses.asdict(read_encoder_settings(folder, chosen.model_copy(update=ours)))
    assert {name: settings[name] for name in ours} == ours


@pytest.mark.parametrize(
    ("prompts", "prefixes"),
    [
        (None, ("", "")),
        ({"prompts": {"query": "query: ", "passage": "passage: "}}, ("query: ", "passage: ")),
        ({"prompts": {"query": "Instruct: find\nQuery:", "document": ""}}, ("Instruct: find\nQuery:", "")),
        ({"prompts": {"corpus": "c: "}, "default_prompt_name": None}, ("", "c: ")),
        ({"prompts": {"sts": "alike: ", "query": "q: "}, "default_prompt_name": "sts"}, ("q: ", "alike: ")),
    ],
)
def test_prefixes_of_queries_and_documents_are_read_from_the_encoders_files(
    make_encoder: MakeModel, chosen: EncoderConfig, prompts: dict[str, Any] | None, prefixes: tuple[str, str]
) -> None:
    settings = read_encoder_settings(make_encoder(pooling={"pooling_mode": "mean"}, prompts=prompts), chosen)
    assert (settings.query_prefix, settings.document_prefix) == prefixes


def test_otherwise_tokenizer_and_positions_limit_the_length(make_encoder: MakeModel, chosen: EncoderConfig) -> None:
    folder = make_encoder(pooling={"pooling_mode": "mean"})
    assert read_encoder_settings(folder, chosen).max_tokens == 64
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"model_max_length": 10**30}))
    assert read_encoder_settings(folder, chosen).max_tokens == 64
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"model_max_length": 48}))
    assert read_encoder_settings(folder, chosen).max_tokens == 48


def test_more_tokens_than_positions_are_an_error(make_encoder: MakeModel, chosen: EncoderConfig) -> None:
    folder = make_encoder(pooling={"pooling_mode": "mean"})
    with pytest.raises(ValueError, match=r"64 positions.* embedding.encoder.max_tokens.* 65"):
        read_encoder_settings(folder, chosen.model_copy(update={"max_tokens": 65}))


@pytest.mark.parametrize(
    "pooler",
    [
        {"pooling_mode": "max"},
        {"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": False},
        {"pooling_mode": ["mean", "cls"]},
        {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
    ],
)
def test_unsupported_pooling_is_an_error(
    make_encoder: MakeModel, chosen: EncoderConfig, pooler: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"(max|mean and cls) pooling.* embedding.encoder.pooling"):
        read_encoder_settings(make_encoder(pooling=pooler), chosen)


def test_an_encoder_without_those_files_needs_parameters(make_encoder: MakeModel, chosen: EncoderConfig) -> None:
    folder = make_encoder(pooling=None)
    with pytest.raises(ValueError, match=r"embedding.encoder.pooling, embedding.encoder.normalize"):
        read_encoder_settings(folder, chosen)
    settings = read_encoder_settings(folder, chosen.model_copy(update={"pooling": "cls", "normalize": True}))
    assert (settings.pooling, settings.normalize) == ("cls", True)


def test_a_dense_layer_after_pooling_is_an_error(make_encoder: MakeModel, chosen: EncoderConfig) -> None:
    folder = make_encoder(pooling={"pooling_mode": "mean"})
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"path": "2_Dense", "type": "sentence_transformers.models.Dense"})
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ValueError, match=r"Dense.* embedding.encoder.model"):
        read_encoder_settings(folder, chosen)


@pytest.mark.parametrize(("kind", "positions"), [("roberta", 64), ("xlm-roberta", 64), ("mpnet", 64), ("gpt2", 66)])
@pytest.mark.parametrize("max_seq_length", [None, 66, 512])
def test_an_encoder_reads_no_more_tokens_than_it_has_positions_for(
    make_encoder: MakeModel, chosen: EncoderConfig, kind: str, positions: int, max_seq_length: int | None
) -> None:
    folder = make_encoder(kind, pooling={"pooling_mode": "mean"}, max_seq_length=max_seq_length)
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer | {"model_max_length": 512}))
    settings = read_encoder_settings(folder, chosen)
    assert settings.max_tokens == positions
    encoder = Encoder(folder, [CPU], torch.float32, settings)
    assert {len(window.tokens) for (window, *_) in encoder.tokenize([("", LONG)])} == {positions}
    assert np.isfinite(embed(encoder, [LONG, "boat"])).all()
    with pytest.raises(ValueError, match=rf"{positions} positions.* embedding.encoder.max_tokens.* {positions + 1}"):
        read_encoder_settings(folder, chosen.model_copy(update={"max_tokens": positions + 1}))
