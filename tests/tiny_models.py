"""Tiny transformers models with random weights, written as transformers writes them."""

import copy
import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    BertConfig,
    FNetConfig,
    GPT2Config,
    MPNetConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
    RobertaConfig,
    XLMRobertaConfig,
)
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

from arena_preference.pretrained import EMBEDDED_PACKAGE

needs_embedded = pytest.mark.skipif(
    importlib.util.find_spec(EMBEDDED_PACKAGE) is None, reason="the extra [embedded] is not installed"
)

WORDS = ["the", "river", "runs", "down", "to", "sea", "and", "keeps", "its", "name", "who", "gave", "it", "a", "boat"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]

SIZES = {
    "vocab_size": 128, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
}  # fmt: skip
CONFIGURATIONS = {
    "bert": BertConfig(**SIZES, max_position_embeddings=64, pad_token_id=0),
    # Their positions are absolute, and what pads a text on the left moves it.
    "gpt2": GPT2Config(
        vocab_size=128, n_embd=32, n_layer=2, n_head=4, n_positions=66, bos_token_id=2, eos_token_id=3,
    ),
    # These start to count after the padding token.
    "roberta": RobertaConfig(**SIZES, max_position_embeddings=66),
    "xlm-roberta": XLMRobertaConfig(**SIZES, max_position_embeddings=66),
    "mpnet": MPNetConfig(**SIZES, max_position_embeddings=66),
    # It mixes all tokens, those of the padding too.
    "fnet": FNetConfig(
        vocab_size=128, hidden_size=32, num_hidden_layers=2, intermediate_size=64, max_position_embeddings=512,
        pad_token_id=0,
    ),
    "qwen3": Qwen3Config(
        vocab_size=128, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
        intermediate_size=64, max_position_embeddings=64, pad_token_id=0, bos_token_id=2, eos_token_id=3,
    ),
}  # fmt: skip


def make_tokenizer(padding_side: str = "right", special_tokens: bool = True) -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer of a few words and all letters, for at most 64 tokens."""
    letters = [prefix + letter for letter in "abcdefghijklmnopqrstuvwxyz" for prefix in ("", "##")]
    ids = {token: number for number, token in enumerate(dict.fromkeys([*SPECIAL, *WORDS, *letters]))}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token=SPECIAL[1]))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    if special_tokens:
        tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    roles = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, padding_side=padding_side, model_max_length=64, **roles)


def make_bpe_tokenizer() -> PreTrainedTokenizerFast:
    """A BPE tokenizer of bytes, with two control tokens of a chat."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    ids = {token: number for number, token in enumerate([*alphabet, "th", "the"])}
    tokenizer = Tokenizer(models.BPE(ids, [("t", "h"), ("th", "e")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    roles: dict[str, Any] = {"eos_token": "<|im_end|>", "extra_special_tokens": ["<|im_start|>"]}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **roles)


def make_unigram_tokenizer() -> PreTrainedTokenizerFast:
    """A Unigram tokenizer as of sentencepiece, whose control tokens are words of the vocabulary."""
    words = [("<s>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁the", -1.0), ("▁", -2.0), ("sea", -2.0)]
    letters = [(letter, -4.0) for letter in "abcdefghijklmnopqrstuvwxyz<>/"]
    tokenizer = Tokenizer(models.Unigram(words + letters, unk_id=2))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    roles = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **roles)


def make_slow_tokenizer(folder: Path) -> BertTokenizerLegacy:
    """A WordPiece tokenizer without the library tokenizers, which never splits a special token."""
    letters = [prefix + letter for letter in "abcdefghijklmnopqrstuvwxyz[]" for prefix in ("", "##")]
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, "[MASK]", "the", "sea", *letters]))
    return BertTokenizerLegacy(str(folder / "vocab.txt"))


def save_model(folder: Path, kind: str = "bert", auto_class: Any = AutoModel, seed: int = 0, **changes: Any) -> None:
    """Write a model's configuration and random weights."""
    config = copy.deepcopy(CONFIGURATIONS[kind])
    config.update(changes)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        auto_class.from_config(config).save_pretrained(folder)


def save_causal_model(folder: Path) -> None:
    """Write a language model that generates the words of its tokenizer at random, with a chat template."""
    tokenizer = make_tokenizer("left", special_tokens=False)
    tokenizer.eos_token = tokenizer.sep_token
    tokenizer.chat_template = (
        "{% for message in messages %}{{ message.role }}: {{ message.content }} {% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    save_model(folder, "qwen3", AutoModelForCausalLM, vocab_size=len(tokenizer), max_position_embeddings=128)
    tokenizer.save_pretrained(folder)


def change_weights(folder: Path, removed: str, **added: torch.Tensor) -> None:
    """Remove a tensor from a model's weights and add others."""
    weights = load_file(folder / "model.safetensors")
    del weights[removed]
    save_file(weights | added, folder / "model.safetensors", metadata={"format": "pt"})
