"""What the simulation knows about a topic: for each of its aspects a true statement, a further one, and a false one."""

from typing import NamedTuple


class Aspect(NamedTuple):
    """One thing that an answer on a topic can be asked to cover.

    Attributes:
        title: Noun phrase in lower case, as it stands in "please cover ...".
        fact: A true statement that covers the aspect.
        detail: A second true statement, for those who want more.
        error: A false statement on the same aspect, as a weak model may give it.
    """

    title: str
    fact: str
    detail: str
    error: str


class Topic(NamedTuple):
    """A subject of prompts and answers.

    Attributes:
        name: Noun phrase, as it stands in "explain ...".
        aspects: What an answer can cover, in the order in which one would tell it.
        elaborations: Sentences that suit this topic where those of the phrasebook do not; may hold ``{title}``.
    """

    name: str
    aspects: tuple[Aspect, ...]
    elaborations: tuple[str, ...] = ()


def fill_details(topic: Topic, details: dict[str, str]) -> Topic:
    """Put a person's details in the place of a topic's placeholders."""

    def fill(text: str) -> str:
        for placeholder, value in details.items():
            text = text.replace(placeholder, value)
        return text

    aspects = tuple(Aspect(*map(fill, aspect)) for aspect in topic.aspects)
    return topic._replace(name=fill(topic.name), aspects=aspects)
