"""Named arrays in the safetensors format."""

from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

from .path_dataset import FileDataset

Arrays = dict[str, npt.NDArray[Any]]


class SafetensorsDataset(FileDataset[Arrays]):
    """A dictionary of NumPy arrays, of any shape and every dtype of safetensors.

    ### Example usage for the YAML API

        embedding_projection:
          type: arena_preference.datasets.SafetensorsDataset
          filepath: data/06_models/embedding_projection.safetensors
          versioned: true

    ### Example usage for the Python API

        >>> dataset = SafetensorsDataset(filepath=str(tmp_path / "arrays.safetensors"))
        >>> dataset.save({"components": np.eye(2, dtype=np.float32)})
        >>> dataset.load()["components"].shape
        (2, 2)
    """

    def encode(self, data: Arrays) -> bytes:
        """Return the serialised arrays, made contiguous because the format copies their memory."""
        return save({name: np.ascontiguousarray(array) for name, array in data.items()})

    def decode(self, content: bytes) -> Arrays:
        """Return all arrays, in memory."""
        return load(content)
