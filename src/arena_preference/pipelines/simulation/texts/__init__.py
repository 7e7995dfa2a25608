"""The texts that battles are made of: YAML files beside this module, read once and validated."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

Schema = TypeVar("Schema")

# The parser in C is much faster, but not every build of PyYAML has it.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Aspect(NamedTuple):
    """One point that a response can be asked to cover."""

    title: str  # noun phrase in lower case, as in "please cover ..."
    fact: str  # a true statement that covers the point
    detail: str  # a second true statement
    error: str  # a false statement on the same point, as a weak model may make it
    is_wrapper: bool = False  # the statement wraps the rest of the response; it has no title and is not elaborated


class Topic(NamedTuple):
    """A subject of prompts and responses."""

    name: str  # noun phrase, as in "explain ..."
    aspects: tuple[Aspect, ...]  # points in the order in which one would tell them
    elaborations: tuple[str, ...] = ()  # elaborations that suit this topic better than those of the phrasebook
    english: str = ""  # name of the same topic in English, for topics in other languages
    question: str = ""  # the prompt itself, for topics that have only one

    def fill(self, values: Mapping[str, object]) -> "Topic":
        """Replace ``{name}`` by each value. Unlike ``str.format``, this leaves other braces alone, as in code."""

        def fill(text: str) -> str:
            for name, value in values.items():
                text = text.replace(f"{{{name}}}", str(value))
            return text

        aspects = tuple(
            aspect._replace(fact=fill(aspect.fact), detail=fill(aspect.detail), error=fill(aspect.error))
            for aspect in self.aspects
        )
        return self._replace(name=fill(self.name), aspects=aspects, question=fill(self.question))


class Phrasebook(NamedTuple):
    """The wording of one language."""

    language: str  # ISO 639-1 code
    length_scale: float  # of responses: small phrasebooks yield short texts, and a Chinese character says much
    sentence_separator: str  # text between two sentences
    comma: str  # text between two titles
    conjunction: str  # text between the last two of several titles
    prompts: dict[str, tuple[str, ...]]  # wordings by kind of prompt
    situations: tuple[str, ...]  # sentences that people add about their situation
    days: tuple[str, ...]  # names of days
    greetings: tuple[str, ...]  # friendly openings of a response
    openings: tuple[str, ...]  # neutral openings
    closings: tuple[str, ...]  # friendly endings
    elaborations: tuple[str, ...]  # sentences that dwell on a point without adding a fact
    hedges: tuple[str, ...]  # sentences that cast doubt on the response
    refusals: tuple[str, ...]  # sentences that refuse to respond
    curt_openings: tuple[str, ...]  # unfriendly openings
    topics: tuple[Topic, ...] = ()  # topics in this language
    weight: int = 0  # relative frequency among the languages other than English


class Details(NamedTuple):
    """Details of English prompts and responses."""

    cities: tuple[str, ...]
    function_names: tuple[str, ...]
    emoji: tuple[str, ...]
    characters: dict[str, tuple[str, ...]]  # sentences in the voice of a role that a model is asked to play
    out_of_character: tuple[str, ...]
    clarifications: tuple[str, ...]  # responses to an empty prompt that ask for it
    guesses: tuple[str, ...]  # responses to an empty prompt that ignore this


class Model(NamedTuple):
    """A model that responds; ``models.yml`` explains its attributes."""

    name: str
    strength: float
    verbosity: float
    lists: float
    headers: float
    bold: float
    warmth: float


class _Topics(NamedTuple):
    topics: tuple[Topic, ...]
    elaborations: tuple[str, ...] = ()


class _Models(NamedTuple):
    sizes: dict[str, float]
    families: tuple[Model, ...]


class Texts(NamedTuple):
    """All texts."""

    english: Phrasebook  # with all English topics
    other_languages: tuple[Phrasebook, ...]  # each as often as its weight says
    daily_life: tuple[Topic, ...]  # the English topics that instructions are about
    calculations: tuple[Topic, ...]  # word problems
    code: tuple[Topic, ...]  # Python functions to write
    letters: tuple[Topic, ...]  # letters to write
    details: Details
    models: tuple[Model, ...]


@cache
def load_texts() -> Texts:
    """Return all texts.

    Raises:
        ValueError: If a file does not have the expected structure.
    """
    subjects = [_read_topics(name) for name in ("science", "technology", "society", "daily_life")]
    books = [_read(name, Phrasebook) for name in ("german", "french", "spanish", "russian", "chinese")]
    sizes, families = _read("models", _Models)
    return Texts(
        english=_read("english", Phrasebook)._replace(topics=tuple(chain(*subjects))),
        other_languages=tuple(book for book in books for _ in range(book.weight)),
        daily_life=subjects[-1],
        calculations=_read_topics("calculations"),
        code=_read_topics("code"),
        letters=_read_topics("letters"),
        details=_read("details", Details),
        models=tuple(
            family._replace(name=f"{family.name}-{size}", strength=family.strength + strength)
            for family in families
            for size, strength in sizes.items()
        ),
    )


def read_yaml(path: Path | Traversable, schema: type[Schema]) -> Schema:
    """Return the content of a YAML file as an instance of ``schema``.

    Raises:
        ValueError: If it does not have the structure of ``schema``.
    """
    try:
        # S506: both loaders are safe.
        return TypeAdapter(schema).validate_python(yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader))  # noqa: S506
    except (yaml.YAMLError, ValidationError) as error:
        raise ValueError(f"{path} does not describe a {schema.__name__.lstrip('_')}. Correct it: {error}") from error


def _read(name: str, schema: type[Schema]) -> Schema:
    return read_yaml(files(__name__) / f"{name}.yml", schema)


def _read_topics(name: str) -> tuple[Topic, ...]:
    content = _read(name, _Topics)
    return tuple(topic._replace(elaborations=content.elaborations) for topic in content.topics)
