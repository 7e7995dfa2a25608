"""Runners that Kedro does not have."""

import lazy_loader

# Loaded on first use: Dask is an extra.
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"dask_runner": ["DaskRunner"]})
