"""Responses, with a record of what is good and bad about them."""

from typing import NamedTuple

from .behaviour import Behaviour
from .prompts import Prompt
from .rng import Random
from .texts import Aspect, Phrasebook, Topic, load_texts

# Coprime to the number of elaborations of every phrasebook, so that all are used before any repeats.
STRIDES = (5, 7, 11)
_SENTENCES_PER_PARAGRAPH = 6
_ASIDE_PROBABILITY = 0.15


class Traits(NamedTuple):
    """What a person can see in a response; its utility is linear in them."""

    coverage: float = 0.0  # fraction of the requested points that are covered
    errors: float = 0.0  # fraction of the covered points that are stated wrongly
    off_topic: float = 0.0  # fraction of characters about another topic
    repetition: float = 0.0  # fraction of characters that repeat earlier ones
    hedging: float = 0.0  # half the number of sentences that cast doubt on the response, at most 1
    refusal: float = 0.0  # 1 if it refuses
    truncation: float = 0.0  # 1 if it breaks off
    foreign: float = 0.0  # 1 if its language is not the prompt's
    misformat: float = 0.0  # 1 if a list, table or letter was asked for and is missing
    warmth: float = 0.0  # from -1, curt, to 1, friendly at both ends
    missing: float = 0.0  # 1 if there is no response


class _Section(NamedTuple):
    point: Aspect
    is_wrong: bool
    sentences: list[str]


def write_response(rng: Random, prompt: Prompt, behaviour: Behaviour, length: float) -> tuple[str, Traits]:
    """Write one turn of a response: the text in Markdown, and its traits.

    Elaboration stops at ``length`` characters; the requested points come in any case.
    """
    book, topic, points = prompt.book, prompt.topic, prompt.points
    if behaviour.refuses:
        sentences = rng.sample(book.refusals, rng.integer(2, 4))
        return book.sentence_separator.join(sentences).format(topic=topic.name), Traits(refusal=1.0)
    english = load_texts().english
    foreign = behaviour.slips_into_english and book is not english
    if foreign:
        topic = next(candidate for candidate in english.topics if candidate.name == topic.english)
        points, book = topic.aspects[: len(points)], english

    sections = _cover_points(rng, points, behaviour)
    written, off_topic, repeated = _elaborate(rng, sections, book, topic, behaviour, length)
    hedges = rng.sample(book.hedges, behaviour.hedges)
    for hedge in hedges:
        rng.choice(sections).sentences.append(hedge)

    misformat = behaviour.ignores_layout and prompt.layout != "prose"
    layout = "prose" if misformat else prompt.layout
    if layout == "prose" and behaviour.lists and len(sections) > 1:
        layout = "list"
    text = _add_opening_and_closing(rng, _format(sections, layout, behaviour, book), layout, behaviour, book, topic)
    covered = len(sections)
    if behaviour.breaks_off:
        text = text[: int(len(text) * (0.55 + 0.42 * rng.uniform()))]
        covered = sum(section.sentences[0] in text for section in sections)
    closes = behaviour.closes and not behaviour.breaks_off
    return text, Traits(
        coverage=covered / len(points),
        errors=sum(section.is_wrong for section in sections) / len(sections),
        off_topic=off_topic / written,
        repetition=repeated / written,
        hedging=min(1.0, len(hedges) / 2),
        truncation=float(behaviour.breaks_off),
        foreign=float(foreign),
        misformat=float(misformat),
        warmth=-1.0 if behaviour.is_curt else 0.5 * behaviour.greets + 0.5 * closes,
    )


def _cover_points(rng: Random, points: tuple[Aspect, ...], behaviour: Behaviour) -> list[_Section]:
    covered = [point for point in points if rng.chance(behaviour.coverage)] or [points[0]]
    errors = [rng.chance(behaviour.error) for _ in covered]
    return [
        _Section(point, is_wrong, [point.error if is_wrong else point.fact])
        for point, is_wrong in zip(covered, errors, strict=True)
    ]


def _elaborate(
    rng: Random, sections: list[_Section], book: Phrasebook, topic: Topic, behaviour: Behaviour, length: float
) -> tuple[int, int, int]:
    """Add sentences until the response is long enough; return the characters in all, off topic and repeated."""
    written = sum(len(section.sentences[0]) for section in sections)
    off_topic = repeated = 0
    points = {section.point for section in sections}
    others = [other for other in book.topics if other.aspects != topic.aspects and points.isdisjoint(other.aspects)]
    elsewhere = rng.choice(others).aspects
    elaborations = topic.elaborations or book.elaborations
    position, stride = rng.integer(0, len(elaborations) - 1), rng.choice(STRIDES)
    extensible = [section for section in sections if not section.point.is_wrapper] or sections
    covered = {section.point.title for section in sections}
    asides = rng.sample([aspect.detail for aspect in topic.aspects if aspect.title not in covered], 3)
    turn = 0
    # A model that strays or repeats itself does so at least once, however short the response.
    while written < length or (turn == 0 and (behaviour.off_topic or behaviour.repetition)):
        section = extensible[turn % len(extensible)]
        chance = rng.uniform() * (behaviour.off_topic + behaviour.repetition if written >= length else 1.0)
        if chance < behaviour.off_topic:
            stray = elsewhere[turn % len(elsewhere)]
            sentence = stray.detail if rng.chance(0.5) else stray.fact
            off_topic += len(sentence)
        elif chance < behaviour.off_topic + behaviour.repetition:
            sentence = rng.choice(rng.choice(sections).sentences)
            repeated += len(sentence)
        elif turn < len(extensible) and section.point.detail and not section.is_wrong:
            sentence = section.point.detail
        elif asides and rng.chance(_ASIDE_PROBABILITY):
            sentence = asides.pop()
        else:
            template = elaborations[position % len(elaborations)]
            position += stride
            sentence = template.format(title=section.point.title, topic=topic.name)
        section.sentences.append(sentence)
        written += len(sentence)
        turn += 1
    return written, off_topic, repeated


def _format(sections: list[_Section], layout: str, behaviour: Behaviour, book: Phrasebook) -> str:
    titles = [section.point.title[:1].upper() + section.point.title[1:] for section in sections]
    if layout == "table":
        rows = [f"| {title} | {section.sentences[0]} |" for title, section in zip(titles, sections, strict=True)]
        rest = [_join_sentences(section.sentences[1:], book) for section in sections if len(section.sentences) > 1]
        return "\n\n".join(["\n".join(["| Point | What to know |", "| --- | --- |", *rows]), *rest])
    # A code block does not fit into a list item of one line, nor does a title fit into a line of a letter.
    has_code = any("```" in section.sentences[0] for section in sections)
    is_list = layout in ("list", "steps") and not has_code
    if is_list:
        blocks = [book.sentence_separator.join(section.sentences) for section in sections]
    else:
        blocks = [_join_sentences(section.sentences, book) for section in sections]
    has_titles = is_list or (layout == "prose" and not has_code and len(sections) > 1)
    if has_titles and (behaviour.headers or behaviour.bold or behaviour.titles):
        title_format = "## {}\n\n" if behaviour.headers and not is_list else "**{}:** " if behaviour.bold else "{}: "
        blocks = [
            block if section.point.is_wrapper else title_format.format(title) + block
            for title, section, block in zip(titles, sections, blocks, strict=True)
        ]
    if is_list:
        blocks = [
            f"{number}. {block}" if layout == "steps" else f"- {block}" for number, block in enumerate(blocks, start=1)
        ]
    return ("\n" if is_list else "\n\n").join(blocks)


def _join_sentences(sentences: list[str], book: Phrasebook) -> str:
    # A code block is a paragraph of its own.
    first = 1 if sentences[0].endswith("```") else 0
    paragraphs = [
        book.sentence_separator.join(sentences[start : start + _SENTENCES_PER_PARAGRAPH])
        for start in range(first, len(sentences), _SENTENCES_PER_PARAGRAPH)
    ]
    return "\n\n".join([*sentences[:first], *paragraphs])


def _add_opening_and_closing(
    rng: Random, body: str, layout: str, behaviour: Behaviour, book: Phrasebook, topic: Topic
) -> str:
    parts = ["Dear Sir or Madam,", body, "Kind regards,\nAlex Winter"] if layout == "letter" else [body]
    title = rng.choice(topic.aspects).title
    if behaviour.is_curt:
        parts.insert(0, rng.choice(book.curt_openings))
    elif behaviour.greets:
        parts.insert(0, rng.choice(book.greetings).format(topic=topic.name))
    elif rng.chance(0.35):
        parts.insert(0, rng.choice(book.openings).format(topic=topic.name))
    if behaviour.closes and not behaviour.is_curt:
        closing = rng.choice(book.closings).format(topic=topic.name, title=title)
        parts.append(f"{closing} {rng.choice(load_texts().details.emoji)}" if rng.chance(0.15) else closing)
    return "\n\n".join(parts)
