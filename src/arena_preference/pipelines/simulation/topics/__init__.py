"""The topics that the simulated battles are about: what is true of them, and what weak models get wrong."""

from .daily_life import DAILY_LIFE
from .science import SCIENCE
from .society import SOCIETY
from .technology import TECHNOLOGY
from .topic import Aspect, Topic, fill_details

TOPICS: tuple[Topic, ...] = (*SCIENCE, *TECHNOLOGY, *SOCIETY, *DAILY_LIFE)

__all__ = ["DAILY_LIFE", "TOPICS", "Aspect", "Topic", "fill_details"]
