"""How an encoder turns a text into a vector: as its own files say, unless a parameter overrides them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from arena_preference.pretrained import count_positions, read_json

from .config import EncoderConfig, LongTexts, Pooling

_POOLINGS: Final[dict[str, Pooling]] = {"mean": "mean", "cls": "cls", "lasttoken": "last"}
_NO_LIMIT: Final = 1e9
_MODULES: Final = ("Transformer", "Pooling", "Normalize")
# Names under which sentence-transformers looks for the prompt of a document.
_DOCUMENT_PROMPTS: Final = ("document", "passage", "corpus")


@dataclass(frozen=True)
class EncoderSettings:
    """Everything about the use of an encoder that changes its vectors."""

    pooling: Pooling
    pool_prefix: bool
    """Whether the tokens of a prefix are pooled, too."""
    normalize: bool
    query_prefix: str
    document_prefix: str
    lower_case: bool
    max_tokens: int
    long_texts: LongTexts
    stride: int
    tail_tokens: int


def read_encoder_settings(folder: Path, config: EncoderConfig) -> EncoderSettings:
    """Read how sentence-transformers would use the encoder; parameters take precedence over its files.

    Raises:
        ValueError: If neither says how to pool, whether to normalise or how long a text may be, if the files require a
            module or pooling that is not supported, or if ``max_tokens`` exceeds the encoder's positions.
    """
    modules = {
        module["type"].rpartition(".")[2]: folder / module["path"] for module in read_json(folder / "modules.json", [])
    }
    unsupported = [name for name in modules if name not in _MODULES]
    if unsupported:
        raise ValueError(
            f"Encoder '{folder}' has unsupported modules: {', '.join(unsupported)}. Without them its vectors would "
            "differ from those it was trained for. Set embedding.encoder.model to another encoder."
        )
    pooler = read_json(modules.get("Pooling", folder / "1_Pooling") / "config.json", {})
    transformer = read_json(modules.get("Transformer", folder) / "sentence_bert_config.json", {})
    positions = count_positions(read_json(folder / "config.json", {}))
    tokenizer = read_json(folder / "tokenizer_config.json", {})
    # A tokenizer without a limit has 1e30.
    limits = (transformer.get("max_seq_length") or tokenizer.get("model_max_length"), positions)
    known_limits = (int(limit) for limit in limits if limit is not None and limit < _NO_LIMIT)
    own_normalize = "Normalize" in modules if modules else None
    chosen: dict[str, Any] = {
        "pooling": config.pooling or (_read_pooling(folder, pooler) if pooler else None),
        "normalize": own_normalize if config.normalize is None else config.normalize,
        "max_tokens": config.max_tokens or min(known_limits, default=None),
    }
    missing = [f"embedding.encoder.{name}" for name, value in chosen.items() if value is None]
    if missing:
        raise ValueError(
            f"The files of encoder '{folder}' (modules.json and others) do not say how to use it. Set "
            f"{', '.join(missing)} as its authors describe."
        )
    if positions and chosen["max_tokens"] > positions:
        raise ValueError(
            f"Encoder '{folder}' has {positions} positions for tokens, fewer than embedding.encoder.max_tokens, "
            f"which is {chosen['max_tokens']}. Lower it."
        )
    prompts = read_json(folder / "config_sentence_transformers.json", {})
    prefixes = prompts.get("prompts") or {}
    default = prefixes.get(prompts.get("default_prompt_name"), "")
    return EncoderSettings(
        **chosen,
        pool_prefix=bool(pooler.get("include_prompt", True)),
        query_prefix=_first(config.query_prefix, prefixes.get("query"), default),
        document_prefix=_first(config.document_prefix, *map(prefixes.get, _DOCUMENT_PROMPTS), default),
        lower_case=bool(transformer.get("do_lower_case", False)),
        long_texts=config.long_texts,
        stride=config.stride,
        tail_tokens=config.tail_tokens,
    )


def _read_pooling(folder: Path, config: dict[str, Any]) -> Pooling:
    modes = config.get("pooling_mode")
    if modes is None:
        # Before release 5, sentence-transformers wrote a flag for each kind of pooling, such as pooling_mode_cls_token.
        flags = [name for name, chosen in config.items() if name.startswith("pooling_mode_") and chosen]
        modes = [re.sub("^pooling_mode_|_tokens?$", "", name) for name in flags]
    modes = [modes] if isinstance(modes, str) else modes
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise ValueError(
            f"Encoder '{folder}' uses {' and '.join(modes) or 'no'} pooling; supported are {', '.join(_POOLINGS)}. Set "
            "embedding.encoder.pooling, or embedding.encoder.model to another encoder."
        )
    return _POOLINGS[modes[0]]


def _first(*values: str | None) -> str:
    return next(value for value in values if value is not None)
