import re

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from arena_preference.pipelines.simulation.behaviour import draw_behaviour
from arena_preference.pipelines.simulation.prompts import draw_prompt
from arena_preference.pipelines.simulation.responses import Traits, write_response
from arena_preference.pipelines.simulation.rng import Random
from arena_preference.pipelines.simulation.texts import load_texts

FLAWLESS = {
    "coverage": 1.0, "error": 0.0, "off_topic": 0.0, "repetition": 0.0, "hedges": 0, "refuses": False,
    "breaks_off": False, "slips_into_english": False, "ignores_layout": False, "is_curt": False,
}  # fmt: skip
WORD = re.compile(r"\w+")
ITEM = re.compile(r"^(?:- |\d+\. |\| )", re.MULTILINE)


def write(changes, other_language_fraction=0.0, count=200, length=900.0):
    """Yield prompts and responses to them, with their traits, that differ from flawless ones in the given behaviour."""
    rng = Random(np.random.default_rng(5))
    for number in range(count):
        prompt = draw_prompt(rng, other_language_fraction)
        behaviour = draw_behaviour(rng, load_texts().models[number % 64], 0.0, 0.0)
        behaviour = behaviour._replace(**{**FLAWLESS, **changes})
        yield prompt, *write_response(rng, prompt, behaviour, length)


def test_a_flawless_response_states_every_requested_fact_and_no_error():
    for prompt, text, traits in write({}):
        assert all(point.fact in text for point in prompt.points)
        assert not any(point.error in text for point in prompt.points if point.error not in point.fact)
        assert traits._replace(warmth=0.0) == Traits(coverage=1.0)


def test_coverage_is_the_fraction_of_requested_points_that_the_text_holds():
    partial = 0
    for prompt, text, traits in write({"coverage": 0.5}):
        elaborations = {aspect.detail for aspect in (*prompt.topic.aspects, *prompt.points)}
        if not elaborations & {point.fact for point in prompt.points}:
            held = sum(point.fact in text for point in prompt.points)
            assert traits.coverage == pytest.approx(max(held, 1) / len(prompt.points))
        partial += 0 < traits.coverage < 1
    assert partial > 100


def test_a_wrong_response_states_the_errors_instead_of_the_facts():
    for prompt, text, traits in write({"error": 1.0}):
        assert traits.errors == 1.0
        assert all(point.error in text for point in prompt.points)


def test_a_response_off_topic_holds_sentences_of_another_topic():
    for prompt, text, traits in write({"off_topic": 0.5}, count=100):
        own = set(prompt.topic.aspects) | set(prompt.points)
        foreign = [aspect for topic in load_texts().english.topics for aspect in topic.aspects if aspect not in own]
        if traits.off_topic:
            assert any(aspect.fact in text or aspect.detail in text for aspect in foreign)
    assert np.mean([traits.off_topic for _, _, traits in write({"off_topic": 0.5})]) > 0.2


def test_a_response_that_repeats_itself_holds_a_sentence_twice():
    for _, text, traits in write({"repetition": 0.6}, length=1_500.0):
        if traits.repetition > 0.1:
            sentences = [part for part in re.split(r"(?<=[.!?`])\s+", text) if len(part) > 12]
            assert len(set(sentences)) < len(sentences)


def test_a_response_that_breaks_off_is_a_beginning():
    ends = [text.rstrip()[-1] for _, text, _ in write({"breaks_off": True, "coverage": 1.0})]
    assert np.mean([end.isalnum() or end == "," for end in ends]) > 0.8


def test_a_refusal_covers_nothing_and_is_short():
    for prompt, text, traits in write({"refuses": True}):
        assert traits == Traits(refusal=1.0)
        assert len(text) < 450
        assert not any(point.fact in text for point in prompt.points)


def test_a_response_in_the_wrong_language_is_english():
    for _, text, traits in write({"slips_into_english": True}, other_language_fraction=1.0):
        assert traits.foreign == 1.0
        assert " the " in text


def test_prose_where_a_list_was_asked_for_has_no_list():
    for prompt, text, traits in write({"ignores_layout": True, "lists": False}):
        assert traits.misformat == float(prompt.layout != "prose")
        assert not ITEM.search(text)


def test_the_length_that_is_asked_for_is_the_length_that_is_written():
    lengths = [len(text) for prompt, text, _ in write({}, length=3_000.0) if prompt.layout != "letter"]
    assert 3_000 < np.median(lengths) < 3_600


def test_responses_of_different_quality_differ_by_more_than_a_marker_word(large_simulation):
    """Whenever the truth clearly prefers a side, the texts differ by at least three words, or in their layout."""
    difference = large_simulation.probabilities[:, 0] - large_simulation.probabilities[:, 1]
    for index in np.flatnonzero(np.abs(difference) > 0.2)[:2_000]:
        texts = ["\n".join(turn or "" for turn in side[index]) for side in large_simulation.responses]
        words = [WORD.findall(text) for text in texts]
        if len(ITEM.findall(texts[0])) == len(ITEM.findall(texts[1])):
            assert len(set(words[0]) ^ set(words[1])) >= 3 or abs(len(words[0]) - len(words[1])) >= 3


def test_no_single_word_reveals_the_label(large_simulation):
    """The presence of any one word, in A or in B, explains a small part of the true preference."""
    preference = large_simulation.probabilities[:5_000] @ [1, -1, 0]
    vectorizer = CountVectorizer(binary=True, min_df=40)
    a, b = ([" ".join(filter(None, turns)) for turns in side[:5_000]] for side in large_simulation.responses)
    vectorizer.fit([*a, *b])
    signs = vectorizer.transform(a).astype(int) - vectorizer.transform(b).astype(int)
    count = np.asarray(abs(signs).sum(axis=0)).ravel()
    # The fraction of the sum of squares that the best multiple of a word's signs explains.
    explained = (signs.T @ preference) ** 2 / np.maximum(count, 1) / (preference @ preference)
    assert len(explained) > 500
    assert explained.max() < 0.12, vectorizer.get_feature_names_out()[explained.argmax()]
