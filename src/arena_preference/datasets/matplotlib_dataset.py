"""Figures, each of which appears whole or not at all."""

from kedro_datasets import matplotlib

from .atomic_datasets import AtomicSave


class MatplotlibDataset(AtomicSave, matplotlib.MatplotlibDataset):
    """A figure as an image; used like the dataset of kedro-datasets that it is made of."""
