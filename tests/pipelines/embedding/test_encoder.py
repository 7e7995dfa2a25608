import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from arena_preference.pipelines.embedding.config import EmbeddingConfig
from arena_preference.pipelines.embedding.encoder import Encoder
from arena_preference.pipelines.embedding.encoder_settings import EncoderSettings, read_encoder_settings
from arena_preference.pretrained import find_model

from ...tiny_models import change_weights, needs_embedded
from .conftest import MakeModel

CPU = torch.device("cpu")
TEXTS = [
    "the river runs",
    "to the sea and keeps its name down to the sea",
    "",
    "who gave it a name, no one can say",
    "boat",
]
LONG = "the river runs down to the sea and keeps its name " * 20
MEAN = EncoderSettings("mean", True, True, "", "", False, 64, "windows", 8, 0)


def load(
    folder: Path, dtype: torch.dtype = torch.float32, devices: Sequence[torch.device] = (CPU,), **changes: Any
) -> Encoder:
    return Encoder(folder, devices, dtype, dataclasses.replace(MEAN, **changes))


def embed(encoder: Encoder, texts: list[str], prefix: str = "") -> np.ndarray:
    """Embed texts in one batch."""
    every = encoder.tokenize([(prefix, text) for text in texts])
    vectors = encoder.compute([window for windows in every for window in windows], CPU)
    ends = np.cumsum([len(windows) for windows in every])
    return np.stack(
        [encoder.combine(windows, vectors[end - len(windows) : end]) for windows, end in zip(every, ends, strict=True)]
    )


def states_alone(folder: Path, text: str) -> torch.Tensor:
    """Token vectors of one text without padding, by transformers alone."""
    tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt", truncation=True, max_length=64)
    with torch.inference_mode():
        states: torch.Tensor = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state[0]
    return states


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


@pytest.mark.parametrize(
    ("kind", "padding_side", "pooling", "choose"),
    [
        ("bert", "right", "mean", lambda states: states.mean(dim=0)),
        ("bert", "right", "cls", lambda states: states[0]),
        ("qwen3", "right", "last", lambda states: states[-1]),
        ("qwen3", "left", "last", lambda states: states[-1]),
        ("qwen3", "left", "mean", lambda states: states.mean(dim=0)),
        ("qwen3", "left", "cls", lambda states: states[0]),
        ("bert", "left", "mean", lambda states: states.mean(dim=0)),
        ("gpt2", "left", "last", lambda states: states[-1]),
        ("gpt2", "right", "mean", lambda states: states.mean(dim=0)),
    ],
)
@pytest.mark.parametrize("normalize", [True, False])
def test_a_text_has_the_same_vector_in_a_padded_batch_and_alone(
    make_encoder: MakeModel, kind: str, padding_side: str, pooling: Any, choose: Any, normalize: bool
) -> None:
    folder = make_encoder(kind=kind, padding_side=padding_side)
    vectors = embed(load(folder, pooling=pooling, normalize=normalize), TEXTS)
    expected = torch.stack([choose(states_alone(folder, text)) for text in TEXTS])
    if normalize:
        expected = torch.nn.functional.normalize(expected, dim=1)
    np.testing.assert_allclose(vectors, expected.numpy(), atol=1e-5)


def test_a_long_text_is_the_average_of_its_windows_by_length(mean_encoder: Path) -> None:
    encoder = load(mean_encoder, max_tokens=32, normalize=False)
    ((first, *others),) = encoder.tokenize([("", LONG)])
    assert len(others) > 3
    assert {len(window.tokens) for window in (first, *others[:-1])} == {32}
    # 30 tokens between [CLS] and [SEP]; the last window has what is left of 220.
    weights = [30] * len(others) + [others[-1].own_tokens]
    assert sum(weights) - 8 * len(others) == 220
    alone = [encoder.compute([window], CPU)[0] for window in (first, *others)]
    np.testing.assert_allclose(
        embed(encoder, [LONG])[0], np.average(alone, axis=0, weights=weights), rtol=1e-4, atol=1e-5
    )
    end = embed(encoder, [LONG + "who gave it a boat"])
    assert np.abs(end - embed(encoder, [LONG])).max() > 1e-3


def test_a_truncated_text_keeps_its_special_tokens_start_and_end(mean_encoder: Path) -> None:
    encoder = load(mean_encoder, max_tokens=12, long_texts="truncate", tail_tokens=4)
    ((window,),) = encoder.tokenize([("", LONG + "who gave it a boat")])
    tokens = AutoTokenizer.from_pretrained(mean_encoder).convert_ids_to_tokens(window.tokens)
    assert tokens == ["[CLS]", "the", "river", "runs", "down", "to", "the", "gave", "it", "a", "boat", "[SEP]"]


def test_every_window_begins_with_the_prefix(mean_encoder: Path) -> None:
    encoder = load(mean_encoder, max_tokens=16, stride=2, document_prefix="who gave it ")
    (windows,) = encoder.tokenize([("who gave it ", LONG)])
    tokenizer = AutoTokenizer.from_pretrained(mean_encoder)
    for window in windows:
        assert tokenizer.decode(window.tokens).startswith("[CLS] who gave it")
        assert window.own_tokens == len(window.tokens) - 5
    assert np.abs(embed(encoder, ["boat"]) - embed(encoder, ["boat"], "who gave it ")).max() > 1e-3


def test_a_prefix_may_be_excluded_from_the_pooling(mean_encoder: Path) -> None:
    encoder = load(mean_encoder, pool_prefix=False, normalize=False, query_prefix="who gave it ")
    states = states_alone(mean_encoder, "who gave it a boat")
    vector = embed(encoder, ["a boat"], "who gave it ")[0]
    # [CLS] counts as part of the prefix, as in sentence-transformers.
    np.testing.assert_allclose(vector, states[4:].mean(dim=0).numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"stride": 30}, "stride"), ({"long_texts": "truncate", "tail_tokens": 30}, "tail_tokens")],
)
def test_settings_that_leave_no_room_for_text_are_an_error(
    mean_encoder: Path, changes: dict[str, Any], name: str
) -> None:
    with pytest.raises(
        ValueError, match=rf"embedding.encoder.{name} is 30 .* 32 tokens.* embedding.encoder.max_tokens"
    ):
        load(mean_encoder, max_tokens=32, **changes)


def test_a_text_cannot_end_itself_and_a_prefix_may_have_special_tokens(mean_encoder: Path) -> None:
    encoder = load(mean_encoder, query_prefix="[SEP] who ")
    (forged,), (plain,) = encoder.tokenize([("[SEP] who ", "gave [SEP] it"), ("[SEP] who ", "gave it")])
    tokenizer = AutoTokenizer.from_pretrained(mean_encoder)
    assert tokenizer.convert_ids_to_tokens(plain.tokens) == ["[CLS]", "[SEP]", "who", "gave", "it", "[SEP]"]
    assert tokenizer.convert_ids_to_tokens(forged.tokens) == [
        "[CLS]", "[SEP]", "who", "gave", "[UNK]", "s", "##e", "##p", "[UNK]", "it", "[SEP]",
    ]  # fmt: skip


@pytest.mark.parametrize("special_tokens", [True, False])
def test_an_empty_text_has_a_vector_like_any_other(make_encoder: MakeModel, special_tokens: bool) -> None:
    vectors = embed(load(make_encoder(special_tokens=special_tokens)), ["", "river"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_lower_case_encoder_ignores_case(make_encoder: MakeModel) -> None:
    encoder = load(make_encoder(), lower_case=True)
    np.testing.assert_array_equal(*embed(encoder, ["THE River", "the river"]))


def test_the_pooler_is_not_used(make_encoder: MakeModel) -> None:
    folder = make_encoder()
    expected = embed(load(folder), TEXTS)
    change_weights(folder, removed="pooler.dense.weight")
    np.testing.assert_array_equal(embed(load(folder), TEXTS), expected)


def test_an_overflow_is_an_error(make_encoder: MakeModel) -> None:
    folder = make_encoder()
    name = "encoder.layer.1.output.LayerNorm.weight"
    change_weights(folder, name, **{name: torch.full((32,), torch.inf)})
    with pytest.raises(FloatingPointError, match=r"float32.* embedding.inference.dtype"):
        embed(load(folder), TEXTS)


@needs_embedded
def test_the_default_encoder_has_the_vectors_of_plain_transformers_and_similar_ones_for_similar_texts(
    default_config: EmbeddingConfig,
) -> None:
    chosen = default_config.encoder
    folder = find_model(chosen.model, chosen.revision)
    texts = ["How do I bake bread?", "A recipe for a loaf of bread.", "The stock market fell by two percent."]
    vectors = embed(Encoder(folder, [CPU], torch.float32, read_encoder_settings(folder, chosen)), texts)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    tokens = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        states = model(**tokens).last_hidden_state
    weights = tokens["attention_mask"][..., None]
    expected = torch.nn.functional.normalize((states * weights).sum(1) / weights.sum(1), dim=1).numpy()
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    assert cosines(vectors, expected).min() > 0.99999
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3
