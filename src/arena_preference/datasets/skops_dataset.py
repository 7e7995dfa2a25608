"""Fitted scikit-learn objects in the skops format."""

import importlib
import sys
from types import ModuleType
from typing import Any, Final

from kedro.io.core import DatasetError

from .path_dataset import FileDataset

# Optional dependencies of scikit-learn that take a second to import.
_HEAVY: Final = ("torch", "dask")


def _import_skops() -> ModuleType:
    """Import skops without importing PyTorch and Dask.

    skops lists the types that it trusts by importing every package of scikit-learn, some of which import these two if
    they can.
    """
    hidden = [name for name in _HEAVY if name not in sys.modules]
    # An entry of None makes the import fail.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        return importlib.import_module("skops.io")
    finally:
        for name in hidden:
            del sys.modules[name]


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
        foreign = io.get_untrusted_types(data=content)
        if foreign:
            raise DatasetError(
                f"{self._filepath} holds untrusted types: {', '.join(foreign)}. Fit the object again with this "
                "project, or find out who wrote the file."
            )
        return io.loads(content)
