"""A growing folder of vectors, each found again by what it was made of."""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import fsspec
import numpy as np
import numpy.typing as npt
from fsspec.implementations.local import LocalFileSystem
from kedro.io.core import AbstractDataset, get_protocol_and_path
from safetensors import SafetensorError
from safetensors.numpy import load, save

from .atomic_write import atomic_write, open_filesystem

logger = logging.getLogger(__name__)

#: First bytes of a SHA-256. NumPy sorts and searches byte strings, and all keys have the same length.
KEY_DTYPE: Final = np.dtype("S16")

Keys = npt.NDArray[np.bytes_]
Vectors = npt.NDArray[np.floating[Any]]
Description = Mapping[str, Any]

_SUFFIX: Final = ".safetensors"
# What safetensors calls the types of stored vectors.
_DTYPES: Final[dict[str, np.dtype[Any]]] = {"F16": np.dtype(np.float16), "F32": np.dtype(np.float32)}
_SPACE_FILE: Final = "space.json"


def make_keys(inputs: Iterable[str]) -> Keys:
    """Hash each input, exactly as it is; shape (n,)."""
    return np.array([hashlib.sha256(text.encode()).digest()[: KEY_DTYPE.itemsize] for text in inputs], dtype=KEY_DTYPE)


@dataclass(frozen=True)
class EmbeddingShard:
    """Some vectors that become one file."""

    description: Description
    """What makes the vectors and every option that changes them, as JSON. Equal descriptions make one space."""
    precision: str
    """The type that the vectors were computed in."""
    keys: Keys
    """What each was made of, shape (n,)."""
    vectors: Vectors
    """Shape (n, dimensions), of the type in which they are stored."""


class EmbeddingSpace:
    """The vectors of one description. They stay in their files; only the index is in memory."""

    def __init__(self, fs: fsspec.AbstractFileSystem, folder: str) -> None:
        """Read the index from the shards of a folder, which need not exist.

        A shard whose bytes do not have the hash that is its name, or are no shard at all, is set aside as
        ``*.damaged``, with a warning: its vectors count as missing.
        """
        self._fs = fs
        self._shards: list[str] = []
        keys: list[Keys] = []
        for path in _list_shards(fs, folder):
            try:
                content = fs.cat_file(path)
            except FileNotFoundError:
                # Another process has set it aside.
                continue
            of_shard = _read_keys(content) if hashlib.sha256(content).hexdigest() == PurePosixPath(path).stem else None
            if of_shard is None:
                _set_aside(fs, path)
            else:
                self._shards.append(path)
                keys.append(of_shard)
        every_key = np.concatenate([np.array([], dtype=KEY_DTYPE), *keys])
        # Stable: where a key has two vectors, the same one is taken every time.
        order = np.argsort(every_key, kind="stable")
        self._keys = every_key[order]
        sizes = np.array([len(part) for part in keys], dtype=np.int64)
        self._shard_of_key = np.repeat(np.arange(len(sizes)), sizes)[order]
        self._row_of_key = (np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes))[order]
        self._precision = _read_precision(fs, f"{folder}/{_SPACE_FILE}")

    @property
    def precision(self) -> str | None:
        """The type that the first vectors were computed in; None where there were never any."""
        return self._precision

    def holds(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """Tell for each key whether its vector is here."""
        places = np.searchsorted(self._keys, keys)
        held = places < len(self._keys)
        held[held] = self._keys[places[held]] == keys[held]
        return held

    def read(self, keys: Keys) -> Vectors:
        """Read the vectors of at least one key, each shard once.

        Returns:
            Shape (n, dimensions), in the order of ``keys`` and the type in which they are stored.

        Raises:
            KeyError: If a key has no vector here.
        """
        held = self.holds(keys)
        if not held.all():
            raise KeyError(
                f"{np.count_nonzero(~held)} of {len(keys)} vectors are not in the store. Run the pipeline that makes "
                "them on the same data with the same parameters."
            )
        places = np.searchsorted(self._keys, keys)
        shards, rows = self._shard_of_key[places], self._row_of_key[places]
        order: list[npt.NDArray[np.intp]] = []
        parts: list[Vectors] = []
        for shard in np.unique(shards):
            chosen = np.flatnonzero(shards == shard)
            order.append(chosen)
            parts.append(self._open_vectors(self._shards[shard])[rows[chosen]])
        return np.concatenate(parts)[np.argsort(np.concatenate(order))]

    def _open_vectors(self, path: str) -> Vectors:
        if isinstance(self._fs, LocalFileSystem):
            # Mapped, so that only the rows that are asked for are read: every chunk of texts has some in every shard.
            with Path(path).open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(length))["vectors"]
            start = 8 + length + header["data_offsets"][0]
            return np.memmap(path, _DTYPES[header["dtype"]], "r", start, tuple(header["shape"]))
        return load(self._fs.cat_file(path))["vectors"]


class EmbeddingStore:
    """A folder with a folder for each space, in which shards are added and none is ever changed."""

    def __init__(self, fs: fsspec.AbstractFileSystem, folder: str) -> None:
        """Point at the folder; it is read when a space is opened and made when a shard is added."""
        self._fs = fs
        self._folder = folder

    def open_space(self, description: Description) -> EmbeddingSpace:
        """Read the index of the vectors with this description."""
        return EmbeddingSpace(self._fs, self._find_folder(description))

    def add(self, shard: EmbeddingShard) -> None:
        """Write a shard, whole or not at all.

        Its name is the hash of its bytes: the same shard written twice, or by two processes at once, is one file.
        """
        folder = self._find_folder(shard.description)
        space_file = f"{folder}/{_SPACE_FILE}"
        if not self._fs.exists(space_file):
            space = {"precision": shard.precision, "description": shard.description}
            with atomic_write(self._fs, space_file) as file:
                file.write(json.dumps(space, indent=2, ensure_ascii=False).encode())
        keys = np.frombuffer(shard.keys.tobytes(), dtype=np.uint8).reshape(len(shard.keys), KEY_DTYPE.itemsize)
        content = save({"keys": keys, "vectors": np.ascontiguousarray(shard.vectors)})
        with atomic_write(self._fs, f"{folder}/{hashlib.sha256(content).hexdigest()}{_SUFFIX}") as file:
            file.write(content)

    def _find_folder(self, description: Description) -> str:
        canonical = json.dumps(description, sort_keys=True)
        return f"{self._folder}/{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"


class EmbeddingStoreDataset(AbstractDataset[EmbeddingShard, EmbeddingStore]):
    """Stores vectors by content, once and for all: ``save`` adds a shard, ``load`` gives the store.

    Every combination of model and options has a folder of its own, named by the hash of its description, with
    ``space.json``, which says it in words, and any number of shards in safetensors. A key is the hash of the exact
    input. Shards appear whole or not at all and are checked by the hash in their name, so that a writer may be killed
    and several may write at once. A node that is a generator adds shard after shard.

    ### Example usage for the YAML API

        embedding_store:
          type: arena_preference.datasets.EmbeddingStoreDataset
          filepath: data/04_feature/embedding_store

    ### Example usage for the Python API

        >>> dataset = EmbeddingStoreDataset(filepath=str(tmp_path / "store"))
        >>> keys = make_keys(["a text"])
        >>> dataset.save(EmbeddingShard({"model": "acme"}, "float32", keys, np.ones((1, 384), dtype=np.float16)))
        >>> dataset.load().open_space({"model": "acme"}).read(keys).shape
        (1, 384)
    """

    def __init__(
        self,
        *,
        filepath: str,
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Point the dataset at a folder.

        Args:
            filepath: POSIX path, with a protocol such as ``s3://`` where it is not local.
            credentials: Passed to the filesystem.
            fs_args: Passed to the filesystem.
            metadata: Ignored by Kedro, read by plugins.
        """
        protocol, path = get_protocol_and_path(filepath)
        self._protocol = protocol
        self._filepath = PurePosixPath(path)
        self._fs = open_filesystem(protocol, fs_args, credentials)
        self.metadata = metadata

    def load(self) -> EmbeddingStore:
        """Give the store, which may be empty."""
        return EmbeddingStore(self._fs, str(self._filepath))

    def save(self, data: EmbeddingShard) -> None:
        """Add a shard."""
        self.load().add(data)

    def _exists(self) -> bool:
        return bool(self._fs.exists(str(self._filepath)))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "protocol": self._protocol}


def _list_shards(fs: fsspec.AbstractFileSystem, folder: str) -> list[str]:
    fs.invalidate_cache(folder)
    try:
        paths = fs.ls(folder, detail=False)
    except FileNotFoundError:
        return []
    return sorted(path for path in paths if path.endswith(_SUFFIX))


def _read_keys(content: bytes) -> Keys | None:
    try:
        return load(content)["keys"].view(KEY_DTYPE).ravel()
    except (SafetensorError, KeyError, ValueError):
        return None


def _read_precision(fs: fsspec.AbstractFileSystem, path: str) -> str | None:
    if not fs.exists(path):
        return None
    try:
        return str(json.loads(fs.cat_file(path))["precision"])
    except (ValueError, KeyError):
        logger.warning("%s is damaged, and the precision in which its vectors were computed is not known.", path)
        return None


def _set_aside(fs: fsspec.AbstractFileSystem, path: str) -> None:
    logger.warning("%s is damaged: its content is not what its name says. Its vectors are computed again.", path)
    try:
        fs.mv(path, f"{path}.damaged")
    except OSError:
        # Another process has moved it, or the folder is read only: it is not read in either case.
        logger.warning("%s could not be renamed", path)
