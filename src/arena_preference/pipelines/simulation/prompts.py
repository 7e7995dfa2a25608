"""What people ask: one ask per turn, with the points that a complete answer covers."""

from collections.abc import Callable
from typing import NamedTuple

from .calculations import draw_calculation
from .code_tasks import CODE_TASKS, FUNCTION_NAMES
from .draws import Draws
from .languages import OTHER_LANGUAGES
from .letters import LETTERS
from .phrases import CITIES, ENGLISH, Phrasebook
from .topics import DAILY_LIFE, Aspect, Topic, fill_details

CHARACTERS = (
    (
        "a pirate captain",
        (
            "Arr, gather round and mind the rigging!",
            "By my wooden leg, that be the truth of it.",
            "The sea taught me this long before any book did.",
        ),
    ),
    (
        "a medieval monk",
        (
            "Peace be with you, traveller, and sit by the fire.",
            "Thus it is written in the margin of our oldest manuscript.",
            "Brother cellarer would tell it with more laughter.",
        ),
    ),
    (
        "a detective in the fog of 1890",
        (
            "Observe, my dear friend, what others merely see.",
            "The cab is waiting, so let us be brief.",
            "Elementary, once the impossible has been ruled out.",
        ),
    ),
    (
        "an old gardener",
        (
            "Put your boots on and come along the hedge with me.",
            "My roses and I have seen many springs, you know.",
            "Slow and steady, that is what the soil likes.",
        ),
    ),
    (
        "a starship engineer",
        (
            "Engine room here, speak up over the noise!",
            "I have rerouted worse than this with a spoon and some tape.",
            "The captain wants it by yesterday, as always.",
        ),
    ),
    (
        "a theatre critic",
        (
            "Curtain up, and let us see whether the plot holds.",
            "The second act, I fear, is where most audiences sleep.",
            "One leaves the house humming, which is no small thing.",
        ),
    ),
)


#: Titles of points that frame an answer and that there is nothing more to say about.
FRAMES = frozenset({"the voice", "the verdict"})
# Phrasebooks with fewer sentences make for shorter answers, and a Chinese character says more than a letter.
_EXTENT_BY_LANGUAGE = {"en": 1.0, "de": 0.6, "fr": 0.6, "es": 0.6, "ru": 0.6, "zh": 0.2}


class Ask(NamedTuple):
    """One prompt turn.

    Attributes:
        text: What the person writes.
        book: The language that is asked in.
        topic: What it is about.
        points: What a complete answer covers, in order.
        layout: The form that the person wants: prose, list, steps, table or letter.
        extent: Length of a usual answer, relative to an explanation.
    """

    text: str
    book: Phrasebook
    topic: Topic
    points: tuple[Aspect, ...]
    layout: str
    extent: float


def draw_ask(draws: Draws, other_language_share: float) -> Ask:
    """Draw the first turn of a battle."""
    if draws.chance(other_language_share):
        book, kinds = draws.pick(OTHER_LANGUAGES), _OPEN_KINDS
    else:
        book, kinds = ENGLISH, _ENGLISH_KINDS
    ask = draws.pick(kinds)(draws, book)
    ask = ask._replace(extent=ask.extent * _EXTENT_BY_LANGUAGE[book.language])
    situations = draws.pick((0, 1, 1, 2))
    if situations:
        sentences = [_fill(draws, book, template) for template in draws.sample(book.situations, situations)]
        ask = ask._replace(text=book.gap.join([ask.text, *sentences]))
    return ask


def draw_follow_up(draws: Draws, first: Ask) -> Ask:
    """Draw a later turn on a point of the first turn's topic."""
    point = draws.pick(first.topic.aspects)
    text = _fill(draws, first.book, draws.pick(first.book.follow_up), title=point.title, topic=first.topic.name)
    return Ask(text, first.book, first.topic, (point,), "prose", first.extent * 0.5)


def add_situation(draws: Draws, ask: Ask) -> Ask:
    """Let the person say more about their situation, which tells the prompt from others."""
    return ask._replace(text=ask.book.gap.join([ask.text, _fill(draws, ask.book, draws.pick(ask.book.situations))]))


def join_titles(titles: list[str], book: Phrasebook) -> str:
    """Put titles in a row, as in "a, b and c"."""
    if len(titles) == 1:
        return titles[0]
    comma = "、" if book.language == "zh" else ", "
    return comma.join(titles[:-1]) + book.conjunction + titles[-1]


def _fill(draws: Draws, book: Phrasebook, template: str, **values: object) -> str:
    return template.format(number=draws.integer(3, 60), day=draws.pick(book.days), city=draws.pick(CITIES), **values)


def _draw_explanation(draws: Draws, book: Phrasebook) -> Ask:
    topic = draws.pick(book.topics)
    return Ask(_fill(draws, book, draws.pick(book.explain), topic=topic.name), book, topic, topic.aspects, "prose", 1.1)


def _draw_coverage(draws: Draws, book: Phrasebook) -> Ask:
    topic = draws.pick(book.topics)
    points = tuple(draws.sample(topic.aspects, draws.integer(2, 4)))
    titles = join_titles([point.title for point in points], book)
    text = _fill(draws, book, draws.pick(book.cover), topic=topic.name, points=titles)
    return Ask(text, book, topic, points, "prose", 1.0)


def _draw_enumeration(draws: Draws, book: Phrasebook) -> Ask:
    topic = draws.pick(book.topics)
    # Details are facts as well, so a topic has twice as many items as aspects.
    items = [*topic.aspects, *(point._replace(fact=point.detail, detail="") for point in topic.aspects)]
    count = draws.integer(3, len(items))
    text = _fill(draws, book, draws.pick(book.enumerate_items), topic=topic.name, n=count)
    return Ask(text, book, topic, tuple(items[:count]), "list", 0.75)


def _draw_instruction(draws: Draws, book: Phrasebook) -> Ask:
    topic = draws.pick(DAILY_LIFE)
    asks = (
        "Walk me through {topic} step by step.",
        "Step-by-step guide to {topic}, for {number} beginners in {city}.",
        "How do I go about {topic}? Number the steps, please.",
        "I want to start with {topic} on {day}. Which steps do I have to take, in which order?",
    )
    return Ask(_fill(draws, book, draws.pick(asks), topic=topic.name), book, topic, topic.aspects, "steps", 1.15)


def _draw_table(draws: Draws, book: Phrasebook) -> Ask:
    topic = draws.pick(book.topics)
    points = tuple(draws.sample(topic.aspects, draws.integer(3, 5)))
    titles = join_titles([point.title for point in points], book)
    asks = (
        "Make a table on {topic} with one row each for {points}.",
        "Put {points} into a two-column table. The subject is {topic}.",
        "Table please: {topic}, rows {points}.",
    )
    text = _fill(draws, book, draws.pick(asks), topic=topic.name, points=titles)
    return Ask(text, book, topic, points, "table", 0.85)


def _draw_comparison(draws: Draws, book: Phrasebook) -> Ask:
    one, other = draws.sample(book.topics, 2)
    points = tuple(draws.sample(one.aspects, 2) + draws.sample(other.aspects, 2))
    titles = join_titles([point.title for point in points], book)
    asks = (
        "I study {topic} and {second}. Explain {points}, and say which subject each belongs to.",
        "Two questions in one, on {topic} and on {second}: what is there to say about {points}?",
    )
    text = _fill(draws, book, draws.pick(asks), topic=one.name, second=other.name, points=titles)
    return Ask(text, book, one, points, "prose", 1.15)


def _draw_check(draws: Draws, book: Phrasebook) -> Ask:
    topic = draws.pick(book.topics)
    point = draws.pick(topic.aspects)
    yes, no = "Yes, that is correct.", "No, that is not correct."
    true = draws.chance(0.4)
    claim = point.fact if true else point.error
    verdict = Aspect("the verdict", yes if true else no, "", no if true else yes)
    asks = (
        'A friend told me on {day}: "{claim}" Is that right?',
        'True or false, and why? "{claim}"',
        'I read this on a poster in {city}: "{claim}" Can that be?',
    )
    text = _fill(draws, book, draws.pick(asks), claim=claim)
    return Ask(text, book, topic, (verdict, point), "prose", 0.5)


def _draw_role_play(draws: Draws, book: Phrasebook) -> Ask:
    character, lines = draws.pick(CHARACTERS)
    ask = _draw_coverage(draws, book)
    out_of_character = (
        "I do not have a character of my own, so this will be in my usual voice.",
        "Playing somebody else is not what a text assistant is made for.",
        "Let us leave the costume aside and keep to the facts.",
    )
    voice = Aspect("the voice", draws.pick(lines), draws.pick(lines), draws.pick(out_of_character))
    text = f"You are {character}. Stay in character. {ask.text}"
    return ask._replace(text=text, points=(voice, *ask.points), extent=0.9)


def _draw_summary(draws: Draws, book: Phrasebook) -> Ask:
    topic = draws.pick(book.topics)
    points = tuple(draws.sample(topic.aspects, draws.integer(3, 5)))
    passage: list[str] = []
    for point in points:
        extra = [
            _fill(draws, book, sentence, topic=topic.name, title=point.title, Title=point.title)
            for sentence in draws.sample(book.elaborations, draws.integer(0, 3))
        ]
        passage += [point.fact, point.detail, *extra]
    asks = ("Summarise this text:", "What are the main statements of the following passage?", "tl;dr please:")
    return Ask(f"{draws.pick(asks)}\n\n{' '.join(passage)}", book, topic, points, "prose", 0.55)


def _draw_code(draws: Draws, book: Phrasebook) -> Ask:
    name = draws.pick(FUNCTION_NAMES)
    if draws.chance(0.5):
        name = f"{name}_{draws.integer(2, 40)}"
    task = fill_details(draws.pick(CODE_TASKS), {"FUNC": name})
    asks = (
        "Write {topic}.",
        "I need {topic}. Explain it and show an example call.",
        "How would you write {topic}? Mention edge cases.",
        "Please give me {topic}, with comments on how it works.",
    )
    text = _fill(draws, book, draws.pick(asks), topic=task.name)
    return Ask(text, book, task, task.aspects, "prose", 0.9)


def _draw_letter(draws: Draws, book: Phrasebook) -> Ask:
    day, city, number = draws.pick(book.days), draws.pick(CITIES), draws.integer(12, 9_999)
    letter = fill_details(draws.pick(LETTERS), {"NUMBER": str(number), "DAY": day, "CITY": city})
    titles = join_titles([point.title for point in letter.aspects], book)
    asks = (
        f"Write {letter.name}. It should mention {titles}. Details: number {number}, {day}, {city}.",
        f"Draft {letter.name} for me ({day}, {city}, {number}). Do not forget {titles}.",
        f"Compose {letter.name}; contents: {titles}. Use these: {city}, {day}, {number}.",
    )
    return Ask(draws.pick(asks), book, letter, letter.aspects, "letter", 0.9)


def _draw_calculation_ask(draws: Draws, book: Phrasebook) -> Ask:
    question, task = draw_calculation(draws)
    return Ask(question, book, task, task.aspects, "prose", 0.6)


_Kind = Callable[[Draws, Phrasebook], Ask]
_OPEN_KINDS: tuple[_Kind, ...] = (_draw_explanation, _draw_coverage, _draw_enumeration)
# A kind that stands here several times is drawn that much more often.
_ENGLISH_KINDS: tuple[_Kind, ...] = (
    *(_draw_explanation,) * 3,
    *(_draw_coverage,) * 6,
    *(_draw_enumeration,) * 3,
    *(_draw_instruction,) * 2,
    *(_draw_code,) * 2,
    *(_draw_calculation_ask,) * 2,
    *(_draw_letter,) * 2,
    _draw_table,
    _draw_comparison,
    _draw_check,
    _draw_role_play,
    _draw_summary,
)
