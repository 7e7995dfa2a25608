"""Named arrays in the safetensors format."""

from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

from .atomic_file_dataset import AtomicFileDataset

Arrays = dict[str, npt.NDArray[Any]]


class SafetensorsDataset(AtomicFileDataset[Arrays]):
    """Stores a dictionary of NumPy arrays of any shape and of the dtypes that safetensors knows.

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
        """Serialise the arrays, made contiguous because the format stores memory as it lies."""
        return save({name: np.ascontiguousarray(array) for name, array in data.items()})

    def decode(self, content: bytes) -> Arrays:
        """Read all arrays into memory."""
        return load(content)
