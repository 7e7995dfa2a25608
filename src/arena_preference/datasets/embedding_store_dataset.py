"""A growing folder of vectors that are looked up by the hash of their input."""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from fsspec.implementations.local import LocalFileSystem
from safetensors import SafetensorError
from safetensors.numpy import load, save

from .atomic_write import AtomicFileSystem
from .path_dataset import PathDataset

logger = logging.getLogger(__name__)

#: First bytes of a SHA-256. NumPy sorts and searches byte strings, and all keys have the same length.
KEY_DTYPE: Final = np.dtype("S16")

Keys = npt.NDArray[np.bytes_]
Vectors = npt.NDArray[np.floating[Any]]
Description = Mapping[str, Any]

_SUFFIX: Final = ".safetensors"
# Names of the dtypes of stored vectors in safetensors.
_DTYPES: Final[dict[str, np.dtype[Any]]] = {"F16": np.dtype(np.float16), "F32": np.dtype(np.float32)}
_COLLECTION_FILE: Final = "collection.json"


def make_keys(inputs: Iterable[str]) -> Keys:
    """Return the hash of each input; shape (n,)."""
    return np.array([hashlib.sha256(text.encode()).digest()[: KEY_DTYPE.itemsize] for text in inputs], dtype=KEY_DTYPE)


@dataclass(frozen=True)
class EmbeddingShard:
    """Vectors in one file."""

    description: Description
    """The model and every option that changes its vectors, for JSON. Equal descriptions make one collection."""
    dtype: str
    """Name of the dtype in which the vectors were computed."""
    keys: Keys
    """Hashes of the inputs, shape (n,)."""
    vectors: Vectors
    """Shape (n, dimensions), in the dtype in which they are stored."""


class EmbeddingCollection:
    """The vectors with one description, of which only the index is in memory."""

    def __init__(self, fs: AtomicFileSystem, folder: str) -> None:
        """Read the index from the shards of a folder, which need not exist.

        A corrupted shard is renamed to ``*.corrupted`` with a warning: its vectors count as missing.
        """
        self._fs = fs
        shards: dict[str, Keys] = {}
        fs.invalidate_cache(folder)
        paths = fs.ls(folder, detail=False) if fs.isdir(folder) else []
        for path in sorted(path for path in paths if path.endswith(_SUFFIX)):
            try:
                content = fs.cat_file(path)
            except FileNotFoundError:
                # Another process has just renamed it.
                continue
            keys = _read_keys(path, content)
            if keys is None:
                _quarantine(fs, path)
            else:
                shards[path] = keys
        self._shards = list(shards)
        # Of two vectors of a key, the first one is read every time.
        self._keys, first = np.unique(np.concatenate([np.array([], KEY_DTYPE), *shards.values()]), return_index=True)
        sizes = np.array([len(keys) for keys in shards.values()], dtype=np.int64)
        self._shard_of_key = np.repeat(np.arange(len(sizes)), sizes)[first]
        self._row_of_key = np.concatenate([np.arange(0), *map(np.arange, sizes)])[first]
        #: Name of the dtype in which the first vectors were computed; None if there never were any.
        self.dtype = _read_dtype(fs, f"{folder}/{_COLLECTION_FILE}")

    def holds(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """Return for each key whether it has a vector; shape (n,)."""
        positions = np.searchsorted(self._keys, keys)
        held = positions < len(self._keys)
        held[held] = self._keys[positions[held]] == keys[held]
        return held

    def read(self, keys: Keys) -> Vectors:
        """Read the vectors of at least one key, each shard once.

        Returns:
            Shape (n, dimensions), in the order of ``keys`` and in the dtype in which they are stored.

        Raises:
            KeyError: If a key has no vector.
        """
        held = self.holds(keys)
        if not held.all():
            raise KeyError(
                f"{np.count_nonzero(~held)} of {len(keys)} vectors are not in the store. Run the pipeline that adds "
                "them, on the same data with the same parameters."
            )
        positions = np.searchsorted(self._keys, keys)
        shards, rows = self._shard_of_key[positions], self._row_of_key[positions]
        vectors = [self._open_vectors(self._shards[shard])[rows[shards == shard]] for shard in np.unique(shards)]
        # They are in the order of their shards: the inverse of that permutation restores the order of the keys.
        return np.concatenate(vectors)[np.argsort(np.argsort(shards, kind="stable"))]

    def _open_vectors(self, path: str) -> Vectors:
        if isinstance(self._fs.fs, LocalFileSystem):
            # Memory-mapped, so that only the requested rows are read: most reads need a few rows of every shard.
            with Path(path).open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(length))["vectors"]
            start = 8 + length + header["data_offsets"][0]
            return np.memmap(path, _DTYPES[header["dtype"]], "r", start, tuple(header["shape"]))
        return load(self._fs.cat_file(path))["vectors"]


class EmbeddingStore:
    """A folder with a folder for each collection; shards are added and never changed."""

    def __init__(self, fs: AtomicFileSystem, folder: str) -> None:
        self._fs, self._folder = fs, folder

    def open_collection(self, description: Description) -> EmbeddingCollection:
        """Read the index of the vectors with this description."""
        return EmbeddingCollection(self._fs, self.locate(description))

    def locate(self, description: Description) -> str:
        """Return the folder of a collection, named by the hash of its description."""
        canonical = json.dumps(description, sort_keys=True)
        return f"{self._folder}/{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"

    def add(self, shard: EmbeddingShard) -> None:
        """Write a shard atomically.

        Its name is the hash of its content: a shard that is written twice, or by two processes, is one file.
        """
        folder = self.locate(shard.description)
        collection_file = f"{folder}/{_COLLECTION_FILE}"
        if not self._fs.exists(collection_file):
            collection = {"dtype": shard.dtype, "description": shard.description}
            with self._fs.open(collection_file, "wb") as file:
                file.write(json.dumps(collection, indent=2, ensure_ascii=False).encode())
        keys = np.frombuffer(shard.keys.tobytes(), dtype=np.uint8).reshape(len(shard.keys), KEY_DTYPE.itemsize)
        content = save({"keys": keys, "vectors": np.ascontiguousarray(shard.vectors)})
        with self._fs.open(f"{folder}/{hashlib.sha256(content).hexdigest()}{_SUFFIX}", "wb") as file:
            file.write(content)


class EmbeddingStoreDataset(PathDataset[EmbeddingShard, EmbeddingStore]):
    """A store of vectors by the content of their inputs: ``save`` adds a shard, ``load`` returns the store.

    Every combination of model and options has a folder, named by the hash of its description, with the description in
    ``collection.json`` and any number of shards in safetensors. Shards are written atomically and checked by the hash
    in their name, so that a writer may be killed and several may write at once. A generator node adds shard by shard.

    ### Example usage for the YAML API

        embedding_store:
          type: arena_preference.datasets.EmbeddingStoreDataset
          filepath: data/04_feature/embedding_store

    ### Example usage for the Python API

        >>> dataset = EmbeddingStoreDataset(filepath=str(tmp_path / "store"))
        >>> keys = make_keys(["a text"])
        >>> dataset.save(EmbeddingShard({"model": "acme"}, "float32", keys, np.ones((1, 384), dtype=np.float16)))
        >>> dataset.load().open_collection({"model": "acme"}).read(keys).shape
        (1, 384)
    """

    def load(self) -> EmbeddingStore:
        """Return the store, which may be empty."""
        return EmbeddingStore(self._fs, str(self._filepath))

    def save(self, data: EmbeddingShard) -> None:
        """Add a shard."""
        self.load().add(data)


def _read_keys(path: str, content: bytes) -> Keys | None:
    if hashlib.sha256(content).hexdigest() != PurePosixPath(path).stem:
        return None
    try:
        return load(content)["keys"].view(KEY_DTYPE).ravel()
    except (SafetensorError, KeyError, ValueError):
        return None


def _read_dtype(fs: AtomicFileSystem, path: str) -> str | None:
    if not fs.exists(path):
        return None
    try:
        return str(json.loads(fs.cat_file(path))["dtype"])
    except (ValueError, KeyError):
        logger.warning("%s is corrupted, so the dtype in which its vectors were computed is unknown.", path)
        return None


def _quarantine(fs: AtomicFileSystem, path: str) -> None:
    logger.warning("%s is corrupted: its name is not the hash of its content. Its vectors are computed again.", path)
    try:
        fs.mv(path, f"{path}.corrupted")
    except OSError:
        # Another process has renamed it, or the folder is read-only; in either case it is not read.
        logger.warning("%s could not be renamed.", path)
