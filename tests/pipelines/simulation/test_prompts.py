import re

import numpy as np

from arena_preference.battles import normalise_prompt
from arena_preference.pipelines.simulation.draws import Draws
from arena_preference.pipelines.simulation.languages import ENGLISH_EQUIVALENTS, OTHER_LANGUAGES
from arena_preference.pipelines.simulation.phrases import ENGLISH
from arena_preference.pipelines.simulation.prompts import draw_ask, draw_follow_up, join_titles
from arena_preference.pipelines.simulation.topics import TOPICS


def test_there_are_25_topics_or_more_and_no_statement_is_made_twice():
    assert len(TOPICS) >= 25
    statements = [text for topic in TOPICS for aspect in topic.aspects for text in aspect[1:]]
    assert len(set(statements)) == len(statements)


def test_there_are_five_other_languages_of_three_scripts():
    assert {book.language for book in OTHER_LANGUAGES} == {"de", "fr", "es", "ru", "zh"}
    assert all(len(book.topics) == len(ENGLISH_EQUIVALENTS) for book in OTHER_LANGUAGES)


def test_no_template_leaves_a_placeholder_open():
    draws = Draws(np.random.default_rng(0))
    for _ in range(3_000):
        ask = draw_ask(draws, 0.3)
        follow_up = draw_follow_up(draws, ask)
        for text in (ask.text, follow_up.text):
            assert not re.search(r"\{[a-z_]+\}|\b(?:FUNC|NUMBER|CITY|DAY)\b", text)
        assert ask.points


def test_prompts_that_are_not_meant_to_repeat_are_distinct(large_simulation):
    distinct = {normalise_prompt(turns[0]) for turns in large_simulation.prompts}
    assert len(distinct) > 0.87 * len(large_simulation.prompts)


def test_prompts_of_every_kind_occur(large_simulation):
    firsts = [turns[0] for turns in large_simulation.prompts[:3_000]]
    for sign in (
        "Python function", "Summarise", "table", "You are a", "step", "percent", "apology", "Is that right?", "List",
    ):  # fmt: skip
        assert any(sign in text for text in firsts), sign


def test_titles_are_joined_as_one_writes_them():
    assert join_titles(["a"], ENGLISH) == "a"
    assert join_titles(["a", "b", "c"], ENGLISH) == "a, b and c"


def test_draws_repeat_for_the_same_seed_and_cover_their_range():
    one, two = (Draws(np.random.default_rng(1)) for _ in range(2))
    assert [one.integer(2, 5) for _ in range(500)] == [two.integer(2, 5) for _ in range(500)]
    assert {one.integer(2, 5) for _ in range(200)} == {2, 3, 4, 5}
    assert sorted(one.sample("abc", 5)) == ["a", "b", "c"]
