"""Fitted scikit-learn objects in the skops format."""

from typing import Any

from kedro.io.core import DatasetError
from skops import io

from .path_dataset import FileDataset


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
