"""Calibrated probabilities that a person prefers one model's response over another's."""

import lazy_loader

__version__ = "0.1.0"

# Loaded on first use: importing the package takes no time.
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"judge": ["Judge"]})
