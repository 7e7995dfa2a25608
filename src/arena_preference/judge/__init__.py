"""The trained model as a Python object: a pair, a file or several responses in, calibrated preferences out."""

import lazy_loader

# Loaded on first use: the command line shows its help without pandas.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"judge": ["Judge"], "results": ["Preference", "Ranking", "Reason"]}
)
