"""How an encoder turns a text into a vector: as its own files say, unless a parameter says otherwise."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from arena_preference.pretrained import read_json

from .config import EncoderConfig, LongTexts, Pooling

_POOLINGS: Final[dict[str, Pooling]] = {"mean": "mean", "cls": "cls", "lasttoken": "last"}
# Before release 5, sentence-transformers wrote one flag per way of pooling.
_POOLING_FLAGS: Final = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "lasttoken",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
}
_NO_LIMIT: Final = 1e9
_MODULES: Final = ("Transformer", "Pooling", "Normalize")
# The names under which sentence-transformers looks for the prompt of a document.
_DOCUMENT_PROMPTS: Final = ("document", "passage", "corpus")


@dataclass(frozen=True)
class EncoderSettings:
    """Everything about an encoder's use that changes its vectors; None nowhere."""

    pooling: Pooling
    pool_prefix: bool
    """Whether the tokens of a prefix take part in the pooling."""
    normalize: bool
    query_prefix: str
    document_prefix: str
    lower_case: bool
    max_tokens: int
    long_texts: LongTexts
    stride: int
    tail_tokens: int


def read_encoder_settings(folder: Path, options: EncoderConfig) -> EncoderSettings:
    """Read how sentence-transformers would use the encoder; a parameter that is set goes before its files.

    Args:
        folder: What ``find_model`` gave.
        options: Parameters ``embedding.encoder``.

    Returns:
        The settings.

    Raises:
        ValueError: If neither says how to pool, whether to normalise or how long a text may be, if the files ask for
            what is not done here, or if the encoder has fewer positions than the parameter ``max_tokens``.
    """
    modules = {
        module["type"].rpartition(".")[2]: folder / module["path"] for module in read_json(folder / "modules.json", [])
    }
    unknown = [name for name in modules if name not in _MODULES]
    if unknown:
        raise ValueError(
            f"Encoder '{folder}' passes its vectors through {', '.join(unknown)}, which is not done here: they would "
            "differ from what it was trained to give. Set embedding.encoder.model to another encoder."
        )
    pooler = read_json(modules.get("Pooling", folder / "1_Pooling") / "config.json", {})
    transformer = read_json(modules.get("Transformer", folder) / "sentence_bert_config.json", {})
    prompts = _read_prompts(folder)
    pooling = options.pooling or (_read_pooling(folder, pooler) if pooler else None)
    own_normalize = "Normalize" in modules if modules else None
    normalize = own_normalize if options.normalize is None else options.normalize
    max_tokens = options.max_tokens or transformer.get("max_seq_length") or min(_read_limits(folder), default=None)
    if pooling is None or normalize is None or max_tokens is None:
        chosen = {"pooling": pooling, "normalize": normalize, "max_tokens": max_tokens}
        missing = [f"embedding.encoder.{name}" for name, value in chosen.items() if value is None]
        raise ValueError(
            f"Encoder '{folder}' does not say how it is to be used (modules.json and the files beside it). Set "
            f"{', '.join(missing)} as its authors describe."
        )
    positions = read_json(folder / "config.json", {}).get("max_position_embeddings") or max_tokens
    if max_tokens > positions:
        raise ValueError(
            f"Encoder '{folder}' has positions for {positions} tokens, and {max_tokens} were asked for. "
            "Lower embedding.encoder.max_tokens."
        )
    return EncoderSettings(
        pooling=pooling,
        pool_prefix=bool(pooler.get("include_prompt", True)),
        normalize=normalize,
        query_prefix=_first(options.query_prefix, prompts.get("query"), prompts[""]),
        document_prefix=_first(options.document_prefix, *map(prompts.get, _DOCUMENT_PROMPTS), prompts[""]),
        lower_case=bool(transformer.get("do_lower_case", False)),
        max_tokens=max_tokens,
        long_texts=options.long_texts,
        stride=options.stride,
        tail_tokens=options.tail_tokens,
    )


def _read_pooling(folder: Path, config: dict[str, Any]) -> Pooling:
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for flag, mode in _POOLING_FLAGS.items() if config.get(flag)]
    modes = [modes] if isinstance(modes, str) else modes
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise ValueError(
            f"Encoder '{folder}' asks for pooling by {' and '.join(modes) or 'nothing'}; mean, cls and last token are "
            "done here. Set embedding.encoder.pooling to one of them, or embedding.encoder.model to another encoder."
        )
    return _POOLINGS[modes[0]]


def _read_prompts(folder: Path) -> dict[str, str]:
    """Give the encoder's prompts by name; without a name, the one that it uses where none is given."""
    config = read_json(folder / "config_sentence_transformers.json", {})
    prompts = config.get("prompts") or {}
    return {**prompts, "": prompts.get(config.get("default_prompt_name"), "")}


def _read_limits(folder: Path) -> list[int]:
    """Give the most tokens that the tokenizer and the positions allow; a tokenizer without a limit writes 1e30."""
    limits = [
        read_json(folder / "tokenizer_config.json", {}).get("model_max_length"),
        read_json(folder / "config.json", {}).get("max_position_embeddings"),
    ]
    return [int(limit) for limit in limits if limit is not None and limit < _NO_LIMIT]


def _first(*values: str | None) -> str:
    return next(value for value in values if value is not None)
