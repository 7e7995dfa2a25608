import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from arena_preference.pipelines.embedding import models
from arena_preference.pipelines.embedding.config import EmbeddingConfig
from arena_preference.pipelines.embedding.encoder_settings import EncoderSettings, read_encoder_settings
from arena_preference.pipelines.embedding.inputs import Conversation
from arena_preference.pipelines.embedding.models import Encoder, RewardModel
from arena_preference.pretrained import find_model

from .conftest import MakeModel
from .test_model_files import carried

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


def load(folder: Path, dtype: torch.dtype = torch.float32, **changes: Any) -> Encoder:
    return Encoder(folder, [CPU], dtype, dataclasses.replace(MEAN, **changes))


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
    ],
)
@pytest.mark.parametrize("normalize", [True, False])
def test_a_padded_batch_gives_what_each_text_gives_alone(
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


def test_a_text_that_is_cut_keeps_its_special_tokens_start_and_end(mean_encoder: Path) -> None:
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


def test_a_prefix_can_be_left_out_of_the_pooling(mean_encoder: Path) -> None:
    encoder = load(mean_encoder, pool_prefix=False, normalize=False, query_prefix="who gave it ")
    states = states_alone(mean_encoder, "who gave it a boat")
    vector = embed(encoder, ["a boat"], "who gave it ")[0]
    # [CLS] counts as part of the prefix, as in sentence-transformers.
    np.testing.assert_allclose(vector, states[4:].mean(dim=0).numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"stride": 30}, "stride"), ({"long_texts": "truncate", "tail_tokens": 30}, "tail_tokens")],
)
def test_tokens_that_leave_no_room_for_the_text_are_an_error(
    mean_encoder: Path, changes: dict[str, Any], name: str
) -> None:
    with pytest.raises(ValueError, match=rf"Of 32 tokens, 30 are left .* embedding.encoder.{name} has to be below"):
        load(mean_encoder, max_tokens=32, **changes)


@pytest.mark.parametrize("special_tokens", [True, False])
def test_an_empty_text_has_a_vector_like_any_other(make_encoder: MakeModel, special_tokens: bool) -> None:
    vectors = embed(load(make_encoder(special_tokens=special_tokens)), ["", "river"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_an_encoder_that_lowers_letters_reads_both_alike(make_encoder: MakeModel) -> None:
    encoder = load(make_encoder(), lower_case=True)
    np.testing.assert_array_equal(*embed(encoder, ["THE River", "the river"]))


def test_damaged_weights_are_an_error(make_encoder: MakeModel) -> None:
    folder = make_encoder()
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"cannot be read .* damaged: fetch the model again"):
        load(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", b'{"version', r"The tokenizer in .* cannot be read .*Fetch the model again"),
        ("tokenizer.json", None, r"The tokenizer in .* cannot be read .*Fetch the model again"),
        ("model.safetensors", None, r"cannot be loaded .*Fetch it again"),
        ("model.safetensors", b"", r"cannot be read .* damaged: fetch the model again"),
    ],
)
def test_a_missing_or_damaged_file_is_an_error_that_names_the_folder(
    make_encoder: MakeModel, name: str, content: bytes | None, message: str
) -> None:
    folder = make_encoder()
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        load(folder)
    assert str(folder) in str(error.value)


def remove_tensor(folder: Path, name: str) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_a_missing_tensor_is_an_error_and_not_a_random_number(make_encoder: MakeModel) -> None:
    folder = make_encoder()
    remove_tensor(folder, "encoder.layer.1.attention.self.query.weight")
    with pytest.raises(ValueError, match=r"lack 1 tensors of the model, the first: encoder.layer.1"):
        load(folder)


def test_a_missing_pooler_is_no_error_because_it_is_not_used(make_encoder: MakeModel) -> None:
    folder = make_encoder()
    expected = embed(load(folder), TEXTS)
    remove_tensor(folder, "pooler.dense.weight")
    np.testing.assert_array_equal(embed(load(folder), TEXTS), expected)


def test_an_overflow_is_an_error_and_not_a_feature(make_encoder: MakeModel) -> None:
    folder = make_encoder()
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer.1.output.LayerNorm.weight"] *= float("inf")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(FloatingPointError, match=r"not finite in torch.float32. Set embedding.inference.precision"):
        embed(load(folder), TEXTS)


@pytest.mark.parametrize(
    ("there", "refusal", "tried"),
    [
        (False, None, [None]),
        (True, None, ["flash_attention_2"]),
        (True, ValueError("not for this model"), ["flash_attention_2", None]),
    ],
)
def test_flash_attention_is_taken_on_cuda_where_it_is_there_and_the_model_can(
    monkeypatch: pytest.MonkeyPatch, there: bool, refusal: Exception | None, tried: list[str | None]
) -> None:
    monkeypatch.setattr(models, "is_flash_attn_2_available", lambda: there)
    asked: list[str | None] = []

    def load_with(attn_implementation: str | None = None) -> tuple[Any, dict[str, Any]]:
        asked.append(attn_implementation)
        if refusal and attn_implementation:
            raise refusal
        return None, {}

    encoder = Encoder.__new__(Encoder)
    encoder.folder, encoder.dtype = Path("encoder"), torch.bfloat16
    monkeypatch.setattr(encoder, "_load", load_with)
    encoder._load_with_best_attention(torch.device("cuda:0"))
    assert asked == tried
    asked.clear()
    encoder._load_with_best_attention(CPU)
    assert asked == [None]


def test_attention_is_not_cudnns_that_plans_for_every_shape_of_a_batch(make_encoder: MakeModel) -> None:
    torch.backends.cuda.enable_cudnn_sdp(True)
    load(make_encoder())
    assert not torch.backends.cuda.cudnn_sdp_enabled()


@carried
def test_the_default_encoder_gives_the_vectors_of_plain_transformers_and_knows_what_is_alike(
    default_options: EmbeddingConfig,
) -> None:
    chosen = default_options.encoder
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


CONVERSATIONS: list[Conversation] = [
    (("who gave it a name", "the river"),),
    (("a boat", "it runs"), ("and to the sea", "down, down to the sea")),
    (("", ""),),
]


def score(model: RewardModel, conversations: list[Conversation]) -> np.ndarray:
    windows = model.tokenize(conversations)
    return model.compute([window for (window,) in windows], CPU)[:, 0]


@pytest.mark.parametrize("padding_side", ["left", "right"])
@pytest.mark.parametrize("pad_token_id", [0, None])
def test_a_reward_model_scores_a_batch_as_it_scores_each_conversation_alone(
    make_reward_model: MakeModel, padding_side: str, pad_token_id: int | None
) -> None:
    folder = make_reward_model(padding_side=padding_side, pad_token_id=pad_token_id)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    expected = []
    for conversation in CONVERSATIONS:
        roles = ("user", "assistant")
        messages = [
            {"role": role, "content": text} for turn in conversation for role, text in zip(roles, turn, strict=True)
        ]
        text = tokenizer.apply_chat_template(messages, tokenize=False)
        tokens = tokenizer(text, return_tensors="pt", add_special_tokens=False)
        with torch.inference_mode():
            expected.append(model(input_ids=tokens["input_ids"]).logits.item())
    ours = RewardModel(folder, [CPU], torch.float32, 400, 300)
    np.testing.assert_allclose(score(ours, CONVERSATIONS), expected, atol=1e-5)
    assert np.ptp(expected) > 0.01


def test_a_long_conversation_keeps_its_start_and_its_end(make_reward_model: MakeModel) -> None:
    model = RewardModel(make_reward_model(), [CPU], torch.float32, 40, 30)
    whole = RewardModel(model.folder, [CPU], torch.float32, 500, 30)
    conversation = (("who gave it a name", LONG + "boat"),)
    ((cut,),), ((full,),) = model.tokenize([conversation]), whole.tokenize([conversation])
    assert len(full.tokens) > 200
    assert cut.tokens.tolist() == [*full.tokens[:10], *full.tokens[-30:]]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"logits": 3}, "gives 3 numbers for a conversation; a reward model gives one"),
        ({"chat_template": None}, "has no chat template"),
    ],
)
def test_what_is_no_reward_model_is_an_error(make_reward_model: MakeModel, made: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RewardModel(make_reward_model(**made), [CPU], torch.float32, 400, 300)


def test_a_reward_model_without_a_head_is_an_error_and_not_a_random_one(make_reward_model: MakeModel) -> None:
    folder = make_reward_model()
    remove_tensor(folder, "score.weight")
    with pytest.raises(ValueError, match=r"lack 1 tensors of the model, the first: score.weight"):
        RewardModel(folder, [CPU], torch.float32, 400, 300)


def test_a_tail_as_long_as_the_whole_is_an_error(make_reward_model: MakeModel) -> None:
    with pytest.raises(ValueError, match=r"tail_tokens is 400, which leaves nothing of the start"):
        RewardModel(make_reward_model(), [CPU], torch.float32, 400, 400)
