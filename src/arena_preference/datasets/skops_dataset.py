"""Fitted scikit-learn objects in the skops format."""

import importlib
import sys
from importlib.abc import MetaPathFinder
from threading import get_ident
from types import ModuleType
from typing import Any, Final

from kedro.io.core import DatasetError

from .path_dataset import FileDataset

# Optional dependencies of scikit-learn that take a second to import.
_HEAVY: Final = frozenset({"torch", "dask"})


class _Blocker(MetaPathFinder):
    """Makes the imports of ``_HEAVY`` fail in the thread that it was made in."""

    def __init__(self) -> None:
        self._thread = get_ident()

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        if fullname in _HEAVY and get_ident() == self._thread:
            raise ModuleNotFoundError(f"{fullname} is left out here.", name=fullname)


def _import_skops() -> ModuleType:
    """Import skops without importing PyTorch and Dask.

    skops lists the types that it trusts by importing every package of scikit-learn, some of which import these two if
    they can.
    """
    blocker = _Blocker()
    sys.meta_path.insert(0, blocker)
    try:
        return importlib.import_module("skops.io")
    finally:
        sys.meta_path.remove(blocker)


io = _import_skops()


class SkopsDataset(FileDataset[Any]):
    """A fitted scikit-learn object. Loading builds it from types that skops trusts and never runs stored code.

    ### Example usage for the YAML API

        char_lsa:
          type: arena_preference.datasets.SkopsDataset
          filepath: data/06_models/char_lsa.skops
          versioned: true

    ### Example usage for the Python API

        >>> dataset = SkopsDataset(filepath=str(tmp_path / "scaler.skops"))
        >>> dataset.save(StandardScaler().fit([[0.0], [2.0]]))
        >>> dataset.load().mean_.tolist()
        [1.0]
    """

    def encode(self, data: Any) -> bytes:
        """Return the serialised object."""
        return io.dumps(data)

    def decode(self, content: bytes) -> Any:
        """Return the object.

        Raises:
            DatasetError: If it holds a type outside scikit-learn, NumPy and SciPy.
        """
        try:
            return io.loads(content)
        except io.exceptions.UntrustedTypesFoundException as error:
            found = str(error).splitlines()[0]
            raise DatasetError(
                f"{self._filepath} is rejected: {found} Fit the object again with this project, or find out who wrote "
                "the file."
            ) from error
