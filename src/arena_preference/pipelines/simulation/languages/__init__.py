"""Phrasebooks of five further languages, each on the same three topics."""

from ..topics import TOPICS
from .chinese import CHINESE
from .french import FRENCH
from .german import GERMAN
from .russian import RUSSIAN
from .spanish import SPANISH

_BY_NAME = {topic.name: topic for topic in TOPICS}
#: What a chatbot that slips into English talks about, in the order of every phrasebook's topics.
ENGLISH_EQUIVALENTS = tuple(_BY_NAME[name] for name in ("photosynthesis", "sleeping better", "inflation"))

#: A language that stands here twice is asked in twice as often.
OTHER_LANGUAGES = (GERMAN, GERMAN, FRENCH, FRENCH, SPANISH, SPANISH, RUSSIAN, CHINESE)

__all__ = ["CHINESE", "ENGLISH_EQUIVALENTS", "FRENCH", "GERMAN", "OTHER_LANGUAGES", "RUSSIAN", "SPANISH"]
