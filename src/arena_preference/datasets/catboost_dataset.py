"""CatBoost models in CatBoost's own binary format."""

import tempfile
from pathlib import Path

from catboost import CatBoost

from .path_dataset import FileDataset


class CatBoostDataset(FileDataset[CatBoost]):
    """A CatBoost model as ``.cbm``, with its feature names, scale and bias.

    ### Example usage for the YAML API

        preference_model:
          type: arena_preference.datasets.CatBoostDataset
          filepath: data/06_models/preference_model.cbm
          versioned: true

    ### Example usage for the Python API

        >>> dataset = CatBoostDataset(filepath=str(tmp_path / "model.cbm"))
        >>> dataset.save(model)
        >>> dataset.load().feature_names_ == model.feature_names_
        True
    """

    def encode(self, data: CatBoost) -> bytes:
        """Return the model as ``.cbm``; CatBoost only writes files, hence the temporary one."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.cbm"
            data.save_model(str(path), format="cbm")
            return path.read_bytes()

    def decode(self, content: bytes) -> CatBoost:
        """Return the model; its ``predict`` takes the features by name."""
        return CatBoost().load_model(blob=content)
