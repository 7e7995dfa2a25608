import dataclasses
import json
from typing import Any

import pytest

from arena_preference.pipelines.embedding.config import EmbeddingConfig, EncoderConfig
from arena_preference.pipelines.embedding.encoder_settings import EncoderSettings, read_encoder_settings
from arena_preference.pretrained import find_model

from .conftest import MakeModel
from .test_model_files import carried


@pytest.fixture
def chosen(options: EmbeddingConfig) -> EncoderConfig:
    return options.encoder


@carried
def test_the_default_encoder_is_used_as_its_authors_do_but_for_long_texts(default_options: EmbeddingConfig) -> None:
    chosen = default_options.encoder
    assert read_encoder_settings(find_model(chosen.model, chosen.revision), chosen) == EncoderSettings(
        pooling="mean",
        pool_prefix=True,
        normalize=True,
        query_prefix="",
        document_prefix="",
        lower_case=False,
        max_tokens=256,
        long_texts="windows",
        stride=32,
        tail_tokens=0,
    )


@pytest.mark.parametrize(
    ("config", "pooling"),
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
def test_pooling_normalisation_and_length_are_the_encoders_own(
    make_encoder: MakeModel, chosen: EncoderConfig, config: dict[str, Any], pooling: str, normalize: bool
) -> None:
    settings = read_encoder_settings(make_encoder(pooling=config, normalize=normalize, max_seq_length=16), chosen)
    assert (settings.pooling, settings.normalize, settings.max_tokens) == (pooling, normalize, 16)
    assert settings.pool_prefix is config.get("include_prompt", True)


def test_parameters_go_before_the_encoders_own_files(make_encoder: MakeModel, chosen: EncoderConfig) -> None:
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
def test_prompts_are_queries_and_answers_are_documents_as_the_encoders_files_have_it(
    make_encoder: MakeModel, chosen: EncoderConfig, prompts: dict[str, Any] | None, prefixes: tuple[str, str]
) -> None:
    settings = read_encoder_settings(make_encoder(pooling={"pooling_mode": "mean"}, prompts=prompts), chosen)
    assert (settings.query_prefix, settings.document_prefix) == prefixes


def test_without_a_word_about_length_tokenizer_and_positions_decide(
    make_encoder: MakeModel, chosen: EncoderConfig
) -> None:
    folder = make_encoder(pooling={"pooling_mode": "mean"})
    assert read_encoder_settings(folder, chosen).max_tokens == 64
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"model_max_length": 10**30}))
    assert read_encoder_settings(folder, chosen).max_tokens == 64
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"model_max_length": 48}))
    assert read_encoder_settings(folder, chosen).max_tokens == 48


def test_more_tokens_than_the_encoder_has_positions_for_are_an_error(
    make_encoder: MakeModel, chosen: EncoderConfig
) -> None:
    folder = make_encoder(pooling={"pooling_mode": "mean"})
    with pytest.raises(
        ValueError, match=r"positions for 64 tokens, and 65 were asked for. Lower embedding.encoder.max"
    ):
        read_encoder_settings(folder, chosen.model_copy(update={"max_tokens": 65}))


@pytest.mark.parametrize("config", [{"pooling_mode": "max"}, {"pooling_mode": ["mean", "cls"]}])
def test_a_pooling_that_is_not_done_here_is_an_error(
    make_encoder: MakeModel, chosen: EncoderConfig, config: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"mean, cls and last token are done here. Set embedding.encoder.pooling"):
        read_encoder_settings(make_encoder(pooling=config), chosen)


def test_an_encoder_that_does_not_say_how_to_pool_needs_parameters(
    make_encoder: MakeModel, chosen: EncoderConfig
) -> None:
    folder = make_encoder(pooling=None)
    with pytest.raises(ValueError, match=r"Set embedding.encoder.pooling, embedding.encoder.normalize as its authors"):
        read_encoder_settings(folder, chosen)
    settings = read_encoder_settings(folder, chosen.model_copy(update={"pooling": "cls", "normalize": True}))
    assert (settings.pooling, settings.normalize) == ("cls", True)


def test_a_further_layer_after_pooling_is_an_error(make_encoder: MakeModel, chosen: EncoderConfig) -> None:
    folder = make_encoder(pooling={"pooling_mode": "mean"})
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"path": "2_Dense", "type": "sentence_transformers.models.Dense"})
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ValueError, match=r"through Dense, which is not done here"):
        read_encoder_settings(folder, chosen)
