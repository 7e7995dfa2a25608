"""How the form of a file is found, and the forms with columns prompt, response_a and response_b."""

from typing import Any

import pytest

from arena_preference.formats import FORMATS, UnusableRowError, find_format

COMPETITION = {"id": "1", "prompt": '["Why?"]', "response_a": '["a", null]', "response_b": "['b']"}
PLAIN = {
    "id": "0a",
    "prompt": "Why?",
    "response_a": "a",
    "response_b": ["b", None],
    "winner": "model_b",
    "language": "English",
}


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (COMPETITION, "competition"),
        ({**COMPETITION, "winner_model_a": "1", "winner_model_b": "0", "winner_tie": "0"}, "competition"),
        (PLAIN, "plain"),
        ({**COMPETITION, "prompt": "Why?", "response_a": "[1] says so", "response_b": "b"}, "plain"),
    ],
)
def test_the_form_is_found_by_columns_and_cells(row: dict[str, Any], name: str) -> None:
    assert find_format("train.csv", [row, row]).name == name


def test_an_unknown_form_is_an_error_with_the_columns_and_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"mine\.csv.*question, answer.*response_a.*ingestion\.format"):
        find_format("mine.csv", [{"question": "", "answer": ""}])
    with pytest.raises(ValueError, match=r"ingestion\.format=compettion.*competition, "):
        find_format("mine.csv", [COMPETITION], "compettion")


def test_a_named_form_is_used_whatever_the_columns() -> None:
    assert find_format("mine.csv", [PLAIN], "competition") is FORMATS["competition"]


def test_the_competitions_rows_have_lists_of_turns() -> None:
    row = {
        **COMPETITION,
        "winner_model_a": "0",
        "winner_model_b": "0",
        "winner_tie": "1",
        "model_a": "ant",
        "model_b": "",
    }
    (battle,) = FORMATS["competition"].parse(row)
    assert battle == {
        "id": "1",
        "prompt": ["Why?"],
        "response_a": ["a", None],
        "response_b": ["b"],
        "label": (0, 0, 1),
        "model_a": "ant",
    }


def test_plain_rows_have_texts_or_lists() -> None:
    (battle,) = FORMATS["plain"].parse(PLAIN)
    assert battle == {
        "id": "0a",
        "prompt": ["Why?"],
        "response_a": ["a"],
        "response_b": ["b", None],
        "label": (0, 1, 0),
        "language": "English",
    }
    (unlabelled,) = FORMATS["plain"].parse({name: PLAIN[name] for name in ("prompt", "response_a", "response_b")})
    assert (unlabelled["id"], unlabelled["label"]) == (None, None)


@pytest.mark.parametrize("name", ["competition", "plain"])
def test_the_label_is_in_three_columns_or_in_winner(name: str) -> None:
    three = {"winner_model_a": "0", "winner_model_b": "0", "winner_tie": "1"}
    for columns, label in (
        ({"winner": "B"}, (0, 1, 0)),
        (three, (0, 0, 1)),
        ({**three, "winner": "ant"}, (0, 0, 1)),
        ({**dict.fromkeys(three, ""), "winner": "model_a"}, (1, 0, 0)),
    ):
        (battle,) = FORMATS[name].parse({**COMPETITION, **columns})
        assert battle["label"] == label


def test_a_plain_response_may_be_empty_and_a_prompt_may_not() -> None:
    (battle,) = FORMATS["plain"].parse({**PLAIN, "response_a": "", "response_b": None})
    assert (battle["response_a"], battle["response_b"]) == ([""], [None])
    for change in ({"prompt": ""}, {"prompt": None}, {"response_a": 3}):
        with pytest.raises(UnusableRowError, match=next(iter(change))):
            list(FORMATS["plain"].parse({**PLAIN, **change}))
    without = {name: value for name, value in PLAIN.items() if name != "response_b"}
    with pytest.raises(UnusableRowError, match="response_b is missing"):
        list(FORMATS["plain"].parse(without))
