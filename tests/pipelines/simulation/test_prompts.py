import re

import numpy as np

from arena_preference.battles import normalise_prompt
from arena_preference.pipelines.simulation.prompts import draw_follow_up, draw_prompt, join_titles
from arena_preference.pipelines.simulation.rng import Random
from arena_preference.pipelines.simulation.texts import load_texts


def test_no_template_leaves_a_placeholder_open():
    rng = Random(np.random.default_rng(0))
    for _ in range(2_000):
        prompt = draw_prompt(rng, 0.3)
        assert prompt.points
        statements = [text for point in prompt.points for text in point[:4]]
        for text in (prompt.text, draw_follow_up(rng, prompt).text, prompt.topic.name, *statements):
            assert not re.search(r"\{[\w*+-]+\}", text)


def test_prompts_that_are_not_meant_to_repeat_are_distinct(large_simulation):
    distinct = {normalise_prompt(turns[0]) for turns in large_simulation.prompts}
    assert len(distinct) > 0.87 * len(large_simulation.prompts)


def test_prompts_of_every_kind_occur(large_simulation):
    firsts = [turns[0] for turns in large_simulation.prompts[:3_000]]
    for sign in (
        "Python function", "Summarise", "table", "You are a", "step", "percent", "apology", "Is that right?", "List",
    ):  # fmt: skip
        assert any(sign in text for text in firsts), sign


def test_titles_are_joined_with_commas_and_a_conjunction():
    points = [point._replace(title=title) for title, point in zip("abc", load_texts().code[0].aspects, strict=False)]
    assert join_titles(points[:1], load_texts().english) == "a"
    assert join_titles(points, load_texts().english) == "a, b and c"


def test_random_choices_repeat_for_the_same_seed_and_cover_their_range():
    one, two = (Random(np.random.default_rng(1)) for _ in range(2))
    assert [one.integer(2, 5) for _ in range(500)] == [two.integer(2, 5) for _ in range(500)]
    assert {one.integer(2, 5) for _ in range(200)} == {2, 3, 4, 5}
    assert sorted(one.sample("abc", 5)) == ["a", "b", "c"]
