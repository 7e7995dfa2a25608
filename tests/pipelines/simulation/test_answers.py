import re

import numpy as np
import pytest

from arena_preference.pipelines.simulation.answers import Traits, write_answer
from arena_preference.pipelines.simulation.chatbots import CHATBOTS
from arena_preference.pipelines.simulation.craft import draw_craft
from arena_preference.pipelines.simulation.draws import Draws
from arena_preference.pipelines.simulation.phrases import ENGLISH
from arena_preference.pipelines.simulation.prompts import draw_ask

FLAWLESS = {
    "coverage": 1.0, "error": 0.0, "off_topic": 0.0, "repetition": 0.0, "hedges": 0, "refuses": False,
    "breaks_off": False, "slips_into_english": False, "ignores_layout": False, "is_curt": False,
}  # fmt: skip
WORD = re.compile(r"\w+")
ITEM = re.compile(r"^(?:- |\d+\. |\| )", re.MULTILINE)


def write(changes, other_language_share=0.0, count=200, length=900.0):
    """Answers of one craft to many asks, with the asks."""
    draws = Draws(np.random.default_rng(5))
    for number in range(count):
        ask = draw_ask(draws, other_language_share)
        craft = draw_craft(draws, CHATBOTS[number % 64], 0.0, 0.0)._replace(**{**FLAWLESS, **changes})
        yield ask, *write_answer(draws, ask, craft, length)


def test_a_flawless_answer_states_every_requested_fact_and_no_error():
    for ask, text, traits in write({}):
        assert all(point.fact in text for point in ask.points)
        assert not any(point.error in text for point in ask.points if point.error not in point.fact)
        assert traits._replace(warmth=0.0) == Traits(coverage=1.0)


def test_coverage_is_the_share_of_requested_points_that_the_text_holds():
    partial = 0
    for ask, text, traits in write({"coverage": 0.5}):
        elaborations = {aspect.detail for aspect in (*ask.topic.aspects, *ask.points)}
        if not elaborations & {point.fact for point in ask.points}:
            held = sum(point.fact in text for point in ask.points)
            assert traits.coverage == pytest.approx(max(held, 1) / len(ask.points))
        partial += 0 < traits.coverage < 1
    assert partial > 100


def test_a_wrong_answer_holds_the_errors_in_place_of_the_facts():
    for ask, text, traits in write({"error": 1.0}):
        assert traits.errors == 1.0
        assert all(point.error in text for point in ask.points)


def test_an_answer_off_topic_holds_sentences_of_another_topic():
    for ask, text, traits in write({"off_topic": 0.5}, count=100):
        own = set(ask.topic.aspects) | set(ask.points)
        foreign = [aspect for topic in ENGLISH.topics for aspect in topic.aspects if aspect not in own]
        if traits.off_topic:
            assert any(aspect.fact in text or aspect.detail in text for aspect in foreign)
    assert np.mean([traits.off_topic for _, _, traits in write({"off_topic": 0.5})]) > 0.2


def test_an_answer_that_repeats_itself_holds_a_sentence_twice():
    for _, text, traits in write({"repetition": 0.6}, length=1_500.0):
        if traits.repetition > 0.1:
            sentences = [part for part in re.split(r"(?<=[.!?`])\s+", text) if len(part) > 12]
            assert len(set(sentences)) < len(sentences)


def test_an_answer_that_breaks_off_is_a_beginning():
    ends = [text.rstrip()[-1] for _, text, _ in write({"breaks_off": True, "coverage": 1.0})]
    assert np.mean([end.isalnum() or end == "," for end in ends]) > 0.8


def test_a_refusal_covers_nothing_and_is_short():
    for ask, text, traits in write({"refuses": True}):
        assert traits == Traits(refusal=1.0)
        assert len(text) < 450
        assert not any(point.fact in text for point in ask.points)


def test_an_answer_in_the_wrong_language_is_english():
    for _, text, traits in write({"slips_into_english": True}, other_language_share=1.0):
        assert traits.foreign == 1.0
        assert " the " in text


def test_prose_where_a_list_was_asked_for_has_no_list():
    for ask, text, traits in write({"ignores_layout": True, "lists": False}):
        assert traits.misformat == float(ask.layout != "prose")
        assert not ITEM.search(text)


def test_the_length_that_is_asked_for_is_the_length_that_is_written():
    lengths = [len(text) for ask, text, _ in write({}, length=3_000.0) if ask.layout != "letter"]
    assert 3_000 < np.median(lengths) < 3_600


def test_answers_of_different_quality_differ_by_more_than_a_marker_word(large_simulation):
    """Whenever the truth prefers a side clearly, the texts differ by three words or more, or in their layout."""
    clear = np.abs(large_simulation.probabilities[:, 0] - large_simulation.probabilities[:, 1]) > 0.2
    for place in np.flatnonzero(clear)[:4_000]:
        texts = ["\n".join(turn or "" for turn in side[place]) for side in large_simulation.answers]
        words = [WORD.findall(text) for text in texts]
        if len(ITEM.findall(texts[0])) == len(ITEM.findall(texts[1])):
            assert len(set(words[0]) ^ set(words[1])) >= 3 or abs(len(words[0]) - len(words[1])) >= 3


def test_no_single_word_gives_the_verdict_away(large_simulation):
    """The best single word's presence explains a small part of the verdicts that the truth explains."""
    truth = large_simulation.probabilities[:8_000]
    preference = truth[:, 0] - truth[:, 1]
    places: dict[str, dict[int, int]] = {}
    for sign, side in zip((1, -1), large_simulation.answers, strict=True):
        for place in range(len(truth)):
            for word in set(WORD.findall(" ".join(turn or "" for turn in side[place]).lower())):
                entry = places.setdefault(word, {})
                entry[place] = entry.get(place, 0) + sign
    total = (preference**2).sum()
    explained = {
        word: sum(sign * preference[place] for place, sign in signs.items()) ** 2
        / (sum(sign * sign for sign in signs.values()) or 1)
        / total
        for word, signs in places.items()
        if len(signs) >= 80
    }  # fmt: skip
    assert len(explained) > 500
    assert max(explained.values()) < 0.12, max(explained, key=explained.__getitem__)
