import math
import re

import pytest

from arena_preference.pipelines.simulation.responses import STRIDES
from arena_preference.pipelines.simulation.texts import Phrasebook, Topic, load_texts, read_yaml


def test_there_are_at_least_25_topics_and_no_statement_occurs_twice():
    topics = load_texts().english.topics
    assert len(topics) >= 25
    statements = [text for topic in topics for aspect in topic.aspects for text in aspect[1:4]]
    assert len(set(statements)) == len(statements)


def test_there_are_five_other_languages_in_three_scripts_and_every_topic_has_an_english_equivalent():
    texts = load_texts()
    assert {book.language for book in texts.other_languages} == {"de", "fr", "es", "ru", "zh"}
    english = {topic.name for topic in texts.english.topics}
    assert all(topic.english in english for book in texts.other_languages for topic in book.topics)


def test_elaborations_are_all_used_before_any_repeats():
    texts = load_texts()
    topics = (*texts.calculations, *texts.code, *texts.letters)
    for source in (texts.english, *texts.other_languages, *topics):
        assert all(math.gcd(len(source.elaborations), stride) == 1 for stride in STRIDES)


def test_there_are_64_models_with_distinct_names():
    assert len({model.name for model in load_texts().models}) == len(load_texts().models) == 64


@pytest.mark.parametrize(
    ("text", "schema", "named"),
    [
        ("name: rain\naspects:\n  - {title: drops, fact: It is wet., detail: Very.}", Topic, "error"),
        ("{name: rain, aspects: [], colour: grey}", Topic, "colour"),
        ("name: yes\naspects: []", Topic, "name"),
        ("language: de", Phrasebook, "greetings"),
        ("name: [", Topic, "line 2"),
    ],
)
def test_a_file_with_an_error_is_rejected_with_its_path_and_the_key(text, schema, named, tmp_path):
    path = tmp_path / "weather.yml"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"(?s){re.escape(str(path))}.*{schema.__name__}.*{named}"):
        read_yaml(path, schema)
