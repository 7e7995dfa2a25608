import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer

from arena_preference.pipelines.embedding import inference
from arena_preference.pipelines.embedding.encoders import EncoderSettings, find_encoder, read_encoder_settings
from arena_preference.pipelines.embedding.inference import Encoder, compare_encoders, load_encoder, plan_batches
from arena_preference.pipelines.embedding.options import EmbeddingOptions

from .test_encoders import carried

CPU = torch.device("cpu")
TEXTS = [
    "the river runs",
    "to the sea and keeps its name down to the sea",
    "",
    "who gave it a name, no one can say",
    "boat",
]


def load(folder: Path, settings: EncoderSettings, dtype: torch.dtype = torch.float32) -> Encoder:
    return Encoder(folder, settings, CPU, dtype)


def embed(encoder: Encoder, texts: list[str], batch_tokens: int = 256) -> np.ndarray:
    return encoder.embed(texts, encoder.tokenize(texts), batch_tokens)


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
    ],
)
@pytest.mark.parametrize("normalize", [True, False])
def test_a_padded_batch_gives_what_each_text_gives_alone(
    make_encoder: Any, kind: str, padding_side: str, pooling: Any, choose: Any, normalize: bool
) -> None:
    folder = make_encoder(kind=kind, padding_side=padding_side)
    vectors = embed(load(folder, EncoderSettings(pooling, normalize, None)), TEXTS)
    expected = torch.stack([choose(states_alone(folder, text)) for text in TEXTS])
    if normalize:
        expected = torch.nn.functional.normalize(expected, dim=1)
    np.testing.assert_allclose(vectors, expected.numpy(), atol=1e-5)


def test_order_of_texts_does_not_change_a_byte_on_the_cpu(mean_encoder: Path) -> None:
    encoder = load(mean_encoder, EncoderSettings("mean", True, None))
    texts = [" ".join(["river"] * number) + word for number in range(20) for word in (" sea", " boat")]
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled = embed(encoder, [texts[row] for row in order], batch_tokens=100)
    np.testing.assert_array_equal(shuffled, embed(encoder, texts, batch_tokens=100)[order])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_token_budget_does_not_change_a_vector(mean_encoder: Path, dtype: torch.dtype) -> None:
    encoder = load(mean_encoder, EncoderSettings("mean", True, None), dtype)
    alone = embed(encoder, TEXTS, batch_tokens=1)
    assert cosines(alone, embed(encoder, TEXTS, batch_tokens=10_000)).min() > 1 - 1e-3


def test_batches_keep_the_budget_and_hold_each_text_once() -> None:
    lengths = [3, 9, 1, 40, 9, 2, 2, 25]
    batches = list(plan_batches([str(length) for length in lengths], lengths, batch_tokens=30))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert batches[0] == [3]
    for batch in batches[1:]:
        assert len(batch) * max(lengths[row] for row in batch) <= 30


def test_a_text_is_cut_to_the_encoders_own_length(mean_encoder: Path) -> None:
    encoder = load(mean_encoder, EncoderSettings("mean", True, 6))
    same_start = ["the river runs down to", "the river runs down and keeps its name"]
    assert [len(ids) for ids in encoder.tokenize(same_start)] == [6, 6]
    one, other = embed(encoder, same_start)
    np.testing.assert_array_equal(one, other)


def test_without_a_word_about_length_the_encoders_positions_decide(mean_encoder: Path) -> None:
    encoder = load(mean_encoder, EncoderSettings("mean", True, None))
    assert len(encoder.tokenize(["river " * 1000])[0]) == 64


def test_more_tokens_than_the_encoder_has_positions_for_are_an_error(mean_encoder: Path) -> None:
    with pytest.raises(ValueError, match=r"positions for 64 tokens, and 65 were asked for. Lower embedding.max_tokens"):
        load(mean_encoder, EncoderSettings("mean", True, 65))


@pytest.mark.parametrize("special_tokens", [True, False])
def test_an_empty_text_has_a_vector_like_any_other(make_encoder: Any, special_tokens: bool) -> None:
    encoder = load(make_encoder(special_tokens=special_tokens), EncoderSettings("mean", True, None))
    vectors = embed(encoder, ["", "river"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_damaged_weights_are_an_error(make_encoder: Any) -> None:
    folder = make_encoder()
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"cannot be read .* damaged: fetch the encoder again"):
        load(folder, EncoderSettings("mean", True, None))


def test_a_missing_tensor_is_an_error_and_not_a_random_number(make_encoder: Any) -> None:
    folder = make_encoder()
    weights = load_file(folder / "model.safetensors")
    name = "encoder.layer.1.attention.self.query.weight"
    del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=f"lack 1 tensors of the encoder, the first: {name}"):
        load(folder, EncoderSettings("mean", True, None))


def test_an_overflow_is_an_error_and_not_a_feature(make_encoder: Any) -> None:
    folder = make_encoder()
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer.1.output.LayerNorm.weight"] *= float("inf")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    broken = load(folder, EncoderSettings("mean", True, None))
    with pytest.raises(FloatingPointError, match=r"not finite for 5 of 5 texts.*Set embedding.precision to float32"):
        embed(broken, TEXTS)
    assert compare_encoders(load(make_encoder(), broken.settings), broken) == -1


def test_the_self_check_passes_a_rounded_encoder_and_not_another_one(make_encoder: Any) -> None:
    settings = EncoderSettings("mean", True, None)
    folder = make_encoder()
    encoder = load(folder, settings)
    assert compare_encoders(encoder, load(folder, settings, torch.bfloat16)) >= inference.LEAST_COSINE
    assert compare_encoders(encoder, load(make_encoder(seed=1), settings)) < inference.LEAST_COSINE


@pytest.mark.parametrize(
    ("precision", "cosine", "dtype", "warned"),
    [
        ("auto", 0.9995, torch.bfloat16, False),
        ("auto", 0.99, torch.float32, True),
        ("bfloat16", 0.99, torch.bfloat16, True),
        ("float32", 0.99, torch.float32, False),
    ],
)
def test_a_precision_that_bends_the_vectors_is_taken_only_by_name(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    mean_encoder: Path,
    precision: Any,
    cosine: float,
    dtype: torch.dtype,
    warned: bool,
) -> None:
    monkeypatch.setattr("arena_preference.device.has_bfloat16_instructions", lambda: True)
    monkeypatch.setattr(inference, "compare_encoders", lambda *_: cosine)
    with caplog.at_level(logging.WARNING):
        encoder = load_encoder(mean_encoder, EncoderSettings("mean", True, None), CPU, precision)
    assert encoder.dtype == dtype
    assert bool(caplog.records) == warned


@carried
def test_the_default_encoder_gives_the_vectors_of_plain_transformers_and_knows_what_is_alike(
    default_options: EmbeddingOptions,
) -> None:
    folder = find_encoder(default_options.model, default_options.revision)
    texts = ["How do I bake bread?", "A recipe for a loaf of bread.", "The stock market fell by two percent."]
    vectors = embed(load(folder, read_encoder_settings(folder, default_options)), texts)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    tokens = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        states = model(**tokens).last_hidden_state
    weights = tokens["attention_mask"][..., None]
    expected = torch.nn.functional.normalize((states * weights).sum(1) / weights.sum(1), dim=1).numpy()
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    assert cosines(vectors, expected).min() > 0.99999
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3
