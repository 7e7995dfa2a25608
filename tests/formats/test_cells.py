"""Values of cells."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena_preference.formats import UnusableRowError, read_as_text
from arena_preference.formats.cells import (
    parse_turns,
    read_id,
    read_label_columns,
    read_text_or_turns,
    read_winner,
    repair_text,
)


def test_turns_keep_nulls_order_and_inner_quotes() -> None:
    assert parse_turns(r'["a \"b\"", null, "", "\u00e9\ud83d\ude00"]') == ['a "b"', None, "", "é\U0001f600"]
    assert parse_turns("[]") == []
    assert parse_turns('[NaN, "a"]') == [None, "a"]


def test_lone_surrogates_become_replacement_characters() -> None:
    turns = parse_turns(r'["cut \ud83d", "\ude00 off"]')
    assert turns == ["cut \ufffd", "\ufffd off"]
    "".join(turn or "" for turn in turns).encode("utf-8")


@pytest.mark.parametrize(
    "turn",
    ["tab\there", "line\nbreak", "nul\0byte", "\x1b[31mred", "مرحبا \u202eabc", "👩‍💻🎉", "e\u0301", "x" * 10_000_000],
    ids=["tab", "line", "nul", "escape", "right to left", "emoji", "combining", "10 MB"],
)
def test_a_text_in_any_script_of_any_length_and_with_control_characters_is_kept_as_it_is(turn: str) -> None:
    # Written by hand: JSON itself would escape control characters, and both spellings are the same text.
    assert parse_turns(f'["{turn}"]') == parse_turns(json.dumps([turn])) == [turn]


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=[]))))
def test_turns_survive_json_and_always_fit_into_utf8(turns: list[str | None]) -> None:
    parsed = parse_turns(json.dumps(turns))
    assert len(parsed) == len(turns)
    for read, written in zip(parsed, turns, strict=True):
        assert (read is None) == (written is None)
        assert (read or "").encode("utf-8").decode("utf-8") == (read or "")


@given(st.lists(st.none() | st.text()))
def test_turns_survive_the_notation_of_python_which_dataframes_write(turns: list[str | None]) -> None:
    assert parse_turns(repr(turns)) == parse_turns(json.dumps(turns)) == turns


@given(st.text())
def test_text_without_surrogates_is_left_alone(text: str) -> None:
    assert repair_text(text) == text


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("", "neither JSON"),
        ("Because.", "neither JSON"),
        ('["never closed', "neither JSON"),
        ("__import__('os').getcwd()", "neither JSON"),
        ("[open('x')]", "neither JSON"),
        ("[" * 100_000, "neither JSON"),
        ("[" * 1_000 + "]" * 1_000, "neither JSON|items other than texts"),
        ("[" + "9" * 5_000 + "]", "neither JSON|items other than texts"),
        ("NaN", "not a list"),
        ('"a text"', "not a list"),
        ("null", "not a list"),
        ('[["nested"]]', "items other than texts"),
        ("[1]", "items other than texts"),
        ("[{[1]: 2}]", "neither JSON"),
        ("('a', 'b')", "not a list"),
        ("['a' 'b']", "without commas"),
        ("['a'\n \"it's\"]", "without commas"),
    ],
)
def test_a_cell_that_is_not_a_list_of_texts_is_rejected_with_its_reason(cell: str, reason: str) -> None:
    with pytest.raises(UnusableRowError, match=reason):
        parse_turns(cell)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("007", "007"),
        (" 12 ", "12"),
        (4294967296, "4294967296"),
        ("4.29e9", "4.29e9"),
        ("", None),
        (None, None),
        (0, "0"),
    ],
)
def test_an_id_is_kept_as_it_is_written(value: Any, written: str | None) -> None:
    assert read_id({"id": value}) == written


@pytest.mark.parametrize("value", [[1], {"a": 1}])
def test_an_id_that_is_nested_is_rejected(value: Any) -> None:
    with pytest.raises(UnusableRowError, match="id"):
        read_id({"id": value})


def label_row(*cells: Any) -> dict[str, Any]:
    return dict(zip(("winner_model_a", "winner_model_b", "winner_tie"), cells, strict=True))


@pytest.mark.parametrize(
    ("cells", "label"),
    [
        (("1", "0", "0"), (1, 0, 0)),
        (("0.0", "1.0", "0.0"), (0, 1, 0)),
        ((0, 0, 1), (0, 0, 1)),
        (("False", "TRUE", "false"), (0, 1, 0)),
        ((False, False, True), (0, 0, 1)),
        (("0.5", "0.25", "0.25"), (0.5, 0.25, 0.25)),
        (("", None, "nan"), None),
    ],
)
def test_labels_are_votes_or_probabilities(cells: tuple[Any, ...], label: tuple[float, ...] | None) -> None:
    assert read_label_columns(label_row(*cells)) == label


def test_a_missing_label_column_is_named() -> None:
    with pytest.raises(UnusableRowError, match="winner_tie"):
        read_label_columns({"winner_model_a": "1", "winner_model_b": "0"})


def test_rounded_probabilities_are_made_to_sum_to_1() -> None:
    label = read_label_columns(label_row("0.333", "0.333", "0.333"))
    assert label == pytest.approx((1 / 3, 1 / 3, 1 / 3), abs=1e-12)


@pytest.mark.parametrize(
    "cells",
    [
        ("1", "1", "0"),
        ("0", "0", "0"),
        ("", "0", "1"),
        ("nan", "0", "1"),
        ("2", "-1", "0"),
        ("inf", "0", "0"),
        ("a", "0", "1"),
    ],
)
def test_a_label_that_is_no_distribution_is_rejected(cells: tuple[str, ...]) -> None:
    with pytest.raises(UnusableRowError, match="winner columns"):
        read_label_columns(label_row(*cells))


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("model_a", (1, 0, 0)),
        ("Model_B", (0, 1, 0)),
        ("tie (bothbad)", (0, 0, 1)),
        ("both_bad", (0, 0, 1)),
        ("tie", (0, 0, 1)),
        (None, None),
        ("", None),
    ],
)
def test_a_winner_is_known_by_its_name(name: str | None, label: tuple[int, ...] | None) -> None:
    assert read_winner({"winner": name}) == label


def test_an_unknown_winner_is_rejected_with_its_name() -> None:
    with pytest.raises(UnusableRowError, match="'gpt-4'"):
        read_winner({"winner": "gpt-4"})


@pytest.mark.parametrize(
    ("value", "turns"), [("text", ["text"]), (["a", None], ["a", None]), ("nan", ["nan"]), ([], [])]
)
def test_a_text_is_one_turn_and_a_list_is_turns(value: Any, turns: list[str | None]) -> None:
    assert read_text_or_turns({"prompt": value}, "prompt") == turns


@pytest.mark.parametrize(("value", "reason"), [(None, "missing"), ("", "missing"), (3, "neither text"), ([3], "items")])
def test_a_missing_text_is_rejected_with_its_column(value: Any, reason: str) -> None:
    with pytest.raises(UnusableRowError, match=f"prompt is .*{reason}"):
        read_text_or_turns({"prompt": value}, "prompt")


@pytest.mark.parametrize(
    ("value", "turns"),
    [
        ('["a", null]', ["a", None]),
        (["a"], ["a"]),
        ("Because, plainly.", ["Because, plainly."]),
        ("[1]", ["[1]"]),
        (3, ["3"]),
        ({"a": 1}, ['{"a": 1}']),
        ("nan", []),
        ("NULL", []),
        (None, []),
    ],
)
def test_any_value_becomes_turns(value: Any, turns: list[str | None]) -> None:
    assert read_as_text(value) == turns
