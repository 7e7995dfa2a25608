"""Prompts, each with the points that a complete response covers."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from .rng import Random
from .texts import Aspect, Phrasebook, Topic, load_texts


class Prompt(NamedTuple):
    """One turn of a prompt."""

    text: str  # what the person writes
    book: Phrasebook  # the phrasebook of its language
    topic: Topic  # what it is about
    points: tuple[Aspect, ...]  # what a complete response covers, in order
    layout: str  # the form that the person wants: prose, list, steps, table or letter
    length_scale: float  # length of a usual response, relative to an explanation in English


def draw_prompt(rng: Random, other_language_fraction: float) -> Prompt:
    """Draw the first turn of a battle."""
    texts = load_texts()
    if rng.chance(other_language_fraction):
        book, kinds = rng.choice(texts.other_languages), _KINDS_IN_ANY_LANGUAGE
    else:
        book, kinds = texts.english, _ENGLISH_KINDS
    prompt = rng.choice(kinds)(rng, book)
    situations = [_format(rng, book, text) for text in rng.sample(book.situations, rng.choice((0, 1, 1, 2)))]
    return prompt._replace(
        text=book.sentence_separator.join([prompt.text, *situations]),
        length_scale=prompt.length_scale * book.length_scale,
    )


def draw_follow_up(rng: Random, first: Prompt) -> Prompt:
    """Draw a later turn about a point of the first turn's topic."""
    point = rng.choice(first.topic.aspects)
    text = _draw_wording(rng, first.book, "follow_up", title=point.title, topic=first.topic.name)
    return first._replace(text=text, points=(point,), layout="prose", length_scale=first.length_scale * 0.5)


def add_situation(rng: Random, prompt: Prompt) -> Prompt:
    """Add a sentence on the person's situation, which distinguishes the prompt from others."""
    situation = _format(rng, prompt.book, rng.choice(prompt.book.situations))
    return prompt._replace(text=prompt.book.sentence_separator.join([prompt.text, situation]))


def join_titles(points: list[Aspect] | tuple[Aspect, ...], book: Phrasebook) -> str:
    """Return the titles of points in a row, as in "a, b and c"."""
    titles = [point.title for point in points]
    return book.conjunction.join([book.comma.join(titles[:-1]), titles[-1]] if len(titles) > 1 else titles)


def _format(rng: Random, book: Phrasebook, template: str, **values: object) -> str:
    """Fill a template with the given values and with random details of a person's situation."""
    return template.format(
        number=rng.integer(3, 60), day=rng.choice(book.days), city=rng.choice(load_texts().details.cities), **values
    )


def _draw_wording(rng: Random, book: Phrasebook, kind: str, **values: object) -> str:
    return _format(rng, book, rng.choice(book.prompts[kind]), **values)


def _draw_request(
    rng: Random,
    book: Phrasebook,
    kind: str,
    layout: str = "prose",
    n_points: tuple[int, int] | None = None,
    length_scale: float = 1.0,
) -> Prompt:
    """Ask about a topic: for all of its points, or for a random number of them within the given bounds."""
    topic = rng.choice(load_texts().daily_life if kind == "instruction" else book.topics)
    points = topic.aspects if n_points is None else tuple(rng.sample(topic.aspects, rng.integer(*n_points)))
    text = _draw_wording(rng, book, kind, topic=topic.name, points=join_titles(points, book))
    return Prompt(text, book, topic, points, layout, length_scale)


_draw_explanation = partial(_draw_request, kind="explanation", length_scale=1.1)
_draw_coverage = partial(_draw_request, kind="coverage", n_points=(2, 4))
_draw_instruction = partial(_draw_request, kind="instruction", layout="steps", length_scale=1.15)
_draw_table = partial(_draw_request, kind="table", layout="table", n_points=(3, 5), length_scale=0.85)


def _draw_enumeration(rng: Random, book: Phrasebook) -> Prompt:
    topic = rng.choice(book.topics)
    # Details are facts as well, so a topic has twice as many items as aspects.
    items = [*topic.aspects, *(point._replace(fact=point.detail, detail="") for point in topic.aspects)]
    count = rng.integer(3, len(items))
    text = _draw_wording(rng, book, "enumeration", topic=topic.name, n=count)
    return Prompt(text, book, topic, tuple(items[:count]), "list", 0.75)


def _draw_comparison(rng: Random, book: Phrasebook) -> Prompt:
    one, other = rng.sample(book.topics, 2)
    points = tuple(rng.sample(one.aspects, 2) + rng.sample(other.aspects, 2))
    text = _draw_wording(rng, book, "comparison", topic=one.name, second=other.name, points=join_titles(points, book))
    return Prompt(text, book, one, points, "prose", 1.15)


def _draw_fact_check(rng: Random, book: Phrasebook) -> Prompt:
    topic = rng.choice(book.topics)
    point = rng.choice(topic.aspects)
    is_true = rng.chance(0.4)
    right, wrong = "Yes, that is correct.", "No, that is not correct."
    if not is_true:
        right, wrong = wrong, right
    finding = Aspect("the verdict", right, "", wrong, is_wrapper=True)
    text = _draw_wording(rng, book, "fact_check", claim=point.fact if is_true else point.error)
    return Prompt(text, book, topic, (finding, point), "prose", 0.5)


def _draw_role_play(rng: Random, book: Phrasebook) -> Prompt:
    details = load_texts().details
    character, lines = rng.choice(list(details.characters.items()))
    prompt = _draw_coverage(rng, book)
    fact, detail, error = (rng.choice(choices) for choices in (lines, lines, details.out_of_character))
    voice = Aspect("the voice", fact, detail, error, is_wrapper=True)
    text = f"You are {character}. Stay in character. {prompt.text}"
    return prompt._replace(text=text, points=(voice, *prompt.points), length_scale=0.9)


def _draw_summary(rng: Random, book: Phrasebook) -> Prompt:
    topic = rng.choice(book.topics)
    points = tuple(rng.sample(topic.aspects, rng.integer(3, 5)))
    passage: list[str] = []
    for point in points:
        elaborations = rng.sample(book.elaborations, rng.integer(0, 3))
        passage += [point.fact, point.detail]
        passage += [_format(rng, book, text, topic=topic.name, title=point.title) for text in elaborations]
    text = f"{rng.choice(book.prompts['summary'])}\n\n{' '.join(passage)}"
    return Prompt(text, book, topic, points, "prose", 0.55)


def _draw_code(rng: Random, book: Phrasebook) -> Prompt:
    name = rng.choice(load_texts().details.function_names)
    if rng.chance(0.5):
        name = f"{name}_{rng.integer(2, 40)}"
    task = rng.choice(load_texts().code).fill({"function": name})
    text = _draw_wording(rng, book, "code", topic=task.name)
    return Prompt(text, book, task, task.aspects, "prose", 0.9)


def _draw_letter(rng: Random, book: Phrasebook) -> Prompt:
    day, city, number = rng.choice(book.days), rng.choice(load_texts().details.cities), rng.integer(12, 9_999)
    letter = rng.choice(load_texts().letters).fill({"number": number, "day": day, "city": city})
    text = rng.choice(book.prompts["letter"]).format(
        topic=letter.name, points=join_titles(letter.aspects, book), number=number, day=day, city=city
    )
    return Prompt(text, book, letter, letter.aspects, "letter", 0.9)


def _draw_calculation(rng: Random, book: Phrasebook) -> Prompt:
    a, b, c = rng.integer(3, 90), rng.integer(4, 60), rng.integer(1, 12) * 5
    problem = rng.choice(load_texts().calculations)
    slip = rng.integer(1, 9) * (10 if rng.chance(0.5) else 1)
    discount, factor, years = a * b * c / 100, 1 + c / 100, 2 + b % 3
    values = {
        "a": a, "b": b, "c": c, "a+b": a + b, "2*(a+b)": 2 * (a + b), "a*b": a * b, "a*b*c": a * b * c,
        "b+c": b + c, "2*b+c": 2 * b + c, "a*c": a * c, "a*c+b": a * c + b, "a*b+c": a * b + c,
        "a+b+slip": a + b + slip, "a*b+slip": a * b + slip, "a*b-slip": a * b - slip, "a*c+slip": a * c + slip,
        "b+slip": b + slip, "c+slip": c + slip, "b+c+slip": b + c + slip, "b*c+slip": b * c + slip,
        "discount": f"{discount:g}", "discount+slip": f"{discount + slip:g}", "a*b-discount": f"{a * b - discount:g}",
        "years": years, "factor": f"{factor:g}", "100*a": 100 * a, "100*a*factor": a * (100 + c),
        "100*a*factor**years": f"{100 * a * factor**years:.2f}", "100*a-c": 100 * a - c,
        "100*a-c*years": 100 * a - c * years,
    }  # fmt: skip
    problem = problem.fill(values)
    return Prompt(problem.question, book, problem, problem.aspects, "prose", 0.6)


_Kind = Callable[[Random, Phrasebook], Prompt]
_KINDS_IN_ANY_LANGUAGE: tuple[_Kind, ...] = (_draw_explanation, _draw_coverage, _draw_enumeration)
# A kind that occurs several times is drawn that much more often.
_ENGLISH_KINDS: tuple[_Kind, ...] = (
    *[_draw_explanation] * 3,
    *[_draw_coverage] * 6,
    *[_draw_enumeration] * 3,
    *[_draw_instruction] * 2,
    *[_draw_code] * 2,
    *[_draw_calculation] * 2,
    *[_draw_letter] * 2,
    _draw_table,
    _draw_comparison,
    _draw_fact_check,
    _draw_role_play,
    _draw_summary,
)
