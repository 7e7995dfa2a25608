"""Writes an answer, and keeps the account of what in it is good and bad."""

from typing import NamedTuple

from .craft import Craft
from .draws import Draws
from .languages import ENGLISH_EQUIVALENTS
from .phrases import ENGLISH, Phrasebook
from .prompts import FRAMES, Ask
from .topics import Aspect, Topic

_EMOJI = ("😊", "🚀", "✨", "👍", "🌱", "📚")
# Coprime to the number of elaborations of every phrasebook, so that all of them come once before one comes again.
_STRIDES = (5, 7, 11)
_SENTENCES_PER_PARAGRAPH = 6
_ASIDE_SHARE = 0.15


class Traits(NamedTuple):
    """What a person can see in an answer; the utility of an answer is linear in it.

    Attributes:
        coverage: Share of the requested points that are covered.
        errors: Share of the covered points that are stated wrongly.
        off_topic: Share of characters on another topic.
        repetition: Share of characters said before.
        hedging: Half the number of sentences that take the answer back, at most 1.
        refusal: 1 if it refuses.
        truncation: 1 if it breaks off.
        foreign: 1 if it is not in the person's language.
        misformat: 1 if a list, table or letter was asked for and is not there.
        warmth: From -1, curt, to 1, friendly at both ends.
        missing: 1 if there is no answer.
    """

    coverage: float = 0.0
    errors: float = 0.0
    off_topic: float = 0.0
    repetition: float = 0.0
    hedging: float = 0.0
    refusal: float = 0.0
    truncation: float = 0.0
    foreign: float = 0.0
    misformat: float = 0.0
    warmth: float = 0.0
    missing: float = 0.0


class _Section(NamedTuple):
    point: Aspect
    is_wrong: bool
    sentences: list[str]


def write_answer(draws: Draws, ask: Ask, craft: Craft, length: float) -> tuple[str, Traits]:
    """Write one turn of an answer.

    Args:
        draws: Where chance comes from.
        ask: What was asked.
        craft: What the chatbot does.
        length: Characters at which nothing further is added; the requested points come in any case.

    Returns:
        The text in Markdown, and its traits as they came about.
    """
    if craft.refuses:
        return _write_refusal(draws, ask)
    book, topic, points = ask.book, ask.topic, ask.points
    foreign = craft.slips_into_english and book is not ENGLISH
    if foreign:
        topic = ENGLISH_EQUIVALENTS[book.topics.index(topic)]
        points, book = topic.aspects[: len(points)], ENGLISH

    sections = _cover_points(draws, points, craft)
    written, off_topic, repeated = _elaborate(draws, sections, book, topic, craft, length)
    hedges = draws.sample(book.hedges, craft.hedges)
    for hedge in hedges:
        draws.pick(sections).sentences.append(hedge)

    misformat = craft.ignores_layout and ask.layout != "prose"
    layout = "prose" if misformat else ask.layout
    if layout == "prose" and craft.lists and len(sections) > 1:
        layout = "list"
    text = _frame(draws, _lay_out(sections, layout, craft, book), layout, craft, book, topic)
    covered = len(sections)
    if craft.breaks_off:
        text = text[: int(len(text) * (0.55 + 0.42 * draws.uniform()))]
        covered = sum(section.sentences[0] in text for section in sections)
    return text, Traits(
        coverage=covered / len(points),
        errors=sum(section.is_wrong for section in sections) / len(sections),
        off_topic=off_topic / written,
        repetition=repeated / written,
        hedging=min(1.0, len(hedges) / 2),
        truncation=float(craft.breaks_off),
        foreign=float(foreign),
        misformat=float(misformat),
        warmth=-1.0 if craft.is_curt else 0.5 * craft.greets + 0.5 * (craft.closes and not craft.breaks_off),
    )


def _write_refusal(draws: Draws, ask: Ask) -> tuple[str, Traits]:
    sentences = draws.sample(ask.book.refusals, draws.integer(2, 4))
    text = ask.book.gap.join(sentences).format(topic=ask.topic.name)
    return text, Traits(refusal=1.0)


def _cover_points(draws: Draws, points: tuple[Aspect, ...], craft: Craft) -> list[_Section]:
    covered = [point for point in points if draws.chance(craft.coverage)] or [points[0]]
    sections = []
    for point in covered:
        is_wrong = draws.chance(craft.error)
        sections.append(_Section(point, is_wrong, [point.error if is_wrong else point.fact]))
    return sections


def _elaborate(
    draws: Draws, sections: list[_Section], book: Phrasebook, topic: Topic, craft: Craft, length: float
) -> tuple[int, int, int]:
    """Add sentences until the answer is long enough; count the characters in all, off topic and repeated."""
    written = sum(len(section.sentences[0]) for section in sections)
    off_topic = repeated = 0
    asked = {topic.aspects, *(section.point for section in sections)}
    elsewhere = draws.pick([t for t in book.topics if t.aspects not in asked and asked.isdisjoint(t.aspects)]).aspects
    elaborations = topic.elaborations or book.elaborations
    position, stride = draws.integer(0, len(elaborations) - 1), draws.pick(_STRIDES)
    extensible = [section for section in sections if section.point.title not in FRAMES] or sections
    covered = {section.point.title for section in sections}
    asides = draws.sample([a.detail for a in topic.aspects if a.title not in covered], 3)
    turn = 0
    # A chatbot that strays or repeats itself does so at least once, however short the answer.
    while written < length or (turn == 0 and (craft.off_topic or craft.repetition)):
        section = extensible[turn % len(extensible)]
        chance = draws.uniform() * (craft.off_topic + craft.repetition if written >= length else 1.0)
        if chance < craft.off_topic:
            stray = elsewhere[turn % len(elsewhere)]
            sentence = stray.detail if draws.chance(0.5) else stray.fact
            off_topic += len(sentence)
        elif chance < craft.off_topic + craft.repetition:
            sentence = draws.pick(draws.pick(sections).sentences)
            repeated += len(sentence)
        elif turn < len(extensible) and section.point.detail and not section.is_wrong:
            sentence = section.point.detail
        elif asides and draws.chance(_ASIDE_SHARE):
            sentence = asides.pop()
        else:
            template = elaborations[position % len(elaborations)]
            position += stride
            sentence = template.format(title=section.point.title, topic=topic.name)
        section.sentences.append(sentence)
        written += len(sentence)
        turn += 1
    return written, off_topic, repeated


def _lay_out(sections: list[_Section], layout: str, craft: Craft, book: Phrasebook) -> str:
    titles = [_capitalise(section.point.title) for section in sections]
    if layout == "table":
        rows = [f"| {title} | {section.sentences[0]} |" for title, section in zip(titles, sections, strict=True)]
        rest = [_join_sentences(section.sentences[1:], book) for section in sections if len(section.sentences) > 1]
        return "\n".join(["| Point | What to know |", "| --- | --- |", *rows]) + "".join(f"\n\n{text}" for text in rest)
    # A code block cannot stand in a list item of one line, nor a title in a line of a letter.
    has_code = any("```" in section.sentences[0] for section in sections)
    is_list = layout in ("list", "steps") and not has_code
    if is_list:
        blocks = [book.gap.join(section.sentences) for section in sections]
    else:
        blocks = [_join_sentences(section.sentences, book) for section in sections]
    if is_list or (layout == "prose" and not has_code and len(sections) > 1):
        title_form = "## {}\n\n" if craft.headers and not is_list else "**{}:** " if craft.bold else "{}: "
        if craft.headers or craft.bold or craft.labels:
            blocks = [
                block if section.point.title in FRAMES else title_form.format(title) + block
                for title, section, block in zip(titles, sections, blocks, strict=True)
            ]
    if is_list:
        marks = [f"{number}." if layout == "steps" else "-" for number in range(1, len(blocks) + 1)]
        return "\n".join(f"{mark} {block}" for mark, block in zip(marks, blocks, strict=True))
    return "\n\n".join(blocks)


def _join_sentences(sentences: list[str], book: Phrasebook) -> str:
    # A code block stands alone.
    starts = 1 if sentences[0].endswith("```") else 0
    paragraphs = [
        book.gap.join(sentences[start : start + _SENTENCES_PER_PARAGRAPH])
        for start in range(starts, len(sentences), _SENTENCES_PER_PARAGRAPH)
    ]
    return "\n\n".join([*sentences[:starts], *paragraphs])


def _frame(draws: Draws, body: str, layout: str, craft: Craft, book: Phrasebook, topic: Topic) -> str:
    parts = [body]
    if layout == "letter":
        parts = ["Dear Sir or Madam,", body, "Kind regards,\nAlex Winter"]
    title = draws.pick(topic.aspects).title
    if craft.is_curt:
        parts.insert(0, draws.pick(book.curt))
    elif craft.greets:
        parts.insert(0, draws.pick(book.greetings).format(topic=topic.name))
    elif draws.chance(0.35):
        parts.insert(0, draws.pick(book.openings).format(topic=topic.name))
    if craft.closes and not craft.is_curt:
        closing = draws.pick(book.closings).format(topic=topic.name, title=title)
        parts.append(f"{closing} {draws.pick(_EMOJI)}" if draws.chance(0.15) else closing)
    return "\n\n".join(parts)


def _capitalise(title: str) -> str:
    return title[:1].upper() + title[1:]
