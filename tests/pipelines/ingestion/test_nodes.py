import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from arena_preference.battles import Battles, Labels, RejectedRows
from arena_preference.pipelines.ingestion.config import IngestionConfig
from arena_preference.pipelines.ingestion.nodes import (
    UnusableCellError,
    assign_folds,
    parse_id,
    parse_label,
    parse_test_battles,
    parse_train_battles,
    parse_turns,
    repair_text,
    sample_battles,
)

CONFIG = IngestionConfig(n_splits=3, sample_fraction=1.0)
SAMPLED = IngestionConfig(n_splits=3, sample_fraction=0.4)


def raw_row(**cells: str) -> dict[str, str]:
    row = {
        "id": "4294967296",
        "prompt": '["Why?"]',
        "response_a": '["Because."]',
        "response_b": '["No idea."]',
        "winner_model_a": "1",
        "winner_model_b": "0",
        "winner_tie": "0",
    }
    return {**row, **cells}


def test_a_whole_row_becomes_a_battle() -> None:
    battles, rejected = parse_train_battles(pd.DataFrame([raw_row(model_a="ant", model_b="")]))
    battle = Battles.validate(battles).iloc[0]
    assert battle["id"] == 2**32
    assert list(battle["response_b"]) == ["No idea."]
    assert battle["label"] == 0
    assert battle["model_a"] == "ant"
    assert pd.isna(battle["model_b"])
    assert RejectedRows.validate(rejected).empty


def test_turns_keep_nulls_order_and_inner_quotes() -> None:
    assert parse_turns(r'["a \"b\"", null, "", "\u00e9\ud83d\ude00"]') == ['a "b"', None, "", "é\U0001f600"]
    assert parse_turns("[]") == []


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


@given(st.text())
def test_text_without_surrogates_is_left_alone(text: str) -> None:
    assert repair_text(text) == text


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("", "not JSON"),
        ("Because.", "not JSON"),
        ("['single quotes']", "not JSON"),
        ('["never closed', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[" * 1_000 + "]" * 1_000, "not JSON|items other than texts"),
        ("[" + "9" * 5_000 + "]", "not JSON|items other than texts"),
        ("NaN", "not a JSON list"),
        ('"a text"', "not a JSON list"),
        ("null", "not a JSON list"),
        ('[["nested"]]', "items other than texts"),
        ("[1]", "items other than texts"),
    ],
)
def test_a_cell_that_is_not_a_list_of_texts_is_rejected_with_its_reason(cell: str, reason: str) -> None:
    with pytest.raises(UnusableCellError, match=reason):
        parse_turns(cell)


@pytest.mark.parametrize("cell", ["", "x", "1.5", "1e3", "9223372036854775808", "१"])
def test_an_id_that_is_not_a_64_bit_integer_is_rejected(cell: str) -> None:
    with pytest.raises(UnusableCellError, match="id is not an integer"):
        parse_id(cell)


@pytest.mark.parametrize(("cell", "value"), [("-7", -7), ("0", 0), (" 12 ", 12), ("-9223372036854775808", -(2**63))])
def test_any_64_bit_integer_is_an_id_even_a_negative_one(cell: str, value: int) -> None:
    assert parse_id(cell) == value


@pytest.mark.parametrize(("cells", "label"), [(["1", "0", "0"], 0), (["0.0", "1.0", "0.0"], 1), (["0", "0", "1"], 2)])
def test_a_label_is_the_index_of_the_one(cells: list[str], label: int) -> None:
    assert parse_label(cells) == label


@pytest.mark.parametrize(
    "cells", [["1", "1", "0"], ["0", "0", "0"], ["", "0", "1"], ["nan", "0", "1"], ["2", "-1", "0"]]
)
def test_a_label_that_is_not_one_hot_is_rejected(cells: list[str]) -> None:
    with pytest.raises(UnusableCellError, match="label is not one 1 and two 0"):
        parse_label(cells)


def test_unusable_training_rows_are_rejected_whole_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        raw_row(id="1"),
        raw_row(id="2", prompt="Why?"),
        raw_row(id="x"),
        raw_row(id="4", winner_tie="1"),
        raw_row(id="5"),
    ]
    with caplog.at_level("INFO", logger="arena_preference"):
        battles, rejected = parse_train_battles(pd.DataFrame(rows))
    assert battles["id"].tolist() == [1, 5]
    assert rejected["id"].tolist() == ["2", "x", "4"]
    assert [reason.split(":")[0] for reason in rejected["reason"]] == [
        "prompt is not JSON",
        "id is not an integer",
        "label is not one 1 and two 0",
    ]
    assert json.loads(rejected["raw_row"][0]) == rows[1]
    assert "train: 2 battles, 3 rows" in caplog.text
    assert "1 x prompt is not JSON" in caplog.text


def test_responses_may_have_different_numbers_of_turns() -> None:
    row = raw_row(prompt='["Why?", "And?"]', response_a='["Because.", null, "So."]', response_b="[]")
    battle = Battles.validate(parse_train_battles(pd.DataFrame([row]))[0]).iloc[0]
    assert [list(battle[name]) for name in ("prompt", "response_a", "response_b")] == [
        ["Why?", "And?"],
        ["Because.", None, "So."],
        [],
    ]


def test_a_training_file_without_a_usable_row_is_an_error_with_the_reasons() -> None:
    with pytest.raises(ValueError, match="prompt is not JSON"):
        parse_train_battles(pd.DataFrame([raw_row(prompt="Why?")]))


@pytest.mark.parametrize("parse", [parse_train_battles, parse_test_battles])
def test_an_id_that_is_written_in_two_ways_is_still_a_repeated_id(parse) -> None:
    with pytest.raises(ValueError, match=r"id.* 7\. "):
        parse(pd.DataFrame([raw_row(id="7"), raw_row(id="007")]))


def test_no_test_id_is_lost_and_what_is_left_of_a_broken_cell_is_kept() -> None:
    rows = [
        {
            name: raw_row(id="9", response_a="Because, plainly.")[name]
            for name in ("id", "prompt", "response_a", "response_b")
        },
        {"id": "8", "prompt": "", "response_a": "", "response_b": "[1]"},
        {"id": "7", "prompt": '["Why?"]', "response_a": '[""]', "response_b": "[null]"},
    ]
    battles, rejected = parse_test_battles(pd.DataFrame(rows))
    Battles.validate(battles)
    assert battles["id"].tolist() == [9, 8, 7]
    assert list(battles["response_a"][0]) == ["Because, plainly."]
    assert list(battles["prompt"][1]) == []
    assert list(battles["response_b"][1]) == ["[1]"]
    assert list(battles["response_b"][2]) == [None]
    assert rejected["id"].tolist() == ["9", "8"]
    assert rejected["reason"][1].count(";") == 2


def test_a_test_id_that_is_not_an_integer_is_an_error_with_file_and_row() -> None:
    table = pd.DataFrame([raw_row(id="1"), raw_row(id="x")])
    table.attrs["source"] = "folder/test.csv"
    with pytest.raises(ValueError, match=r"Row 2 of folder/test\.csv.*'x'"):
        parse_test_battles(table)


def test_training_rows_without_an_id_are_rejected() -> None:
    battles, rejected = parse_train_battles(pd.DataFrame([raw_row(id=""), raw_row(id="1"), raw_row(id="")]))
    assert battles["id"].tolist() == [1]
    assert rejected["reason"].tolist() == ["id is not an integer: ''"] * 2


def test_prompt_groups_follow_the_first_turn() -> None:
    rows = [
        raw_row(id=str(number), prompt=json.dumps(turns))
        for number, turns in enumerate([["A b"], ["a  B", "c"], ["c"]])
    ]
    groups = parse_train_battles(pd.DataFrame(rows))[0]["prompt_group"]
    assert groups[0] == groups[1] != groups[2]
    assert np.unique(groups).size == 2


def test_a_sample_of_fraction_1_is_all_battles(battles: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(sample_battles(battles, CONFIG, seed=0), battles)


def test_a_sample_holds_whole_prompt_groups_in_the_fraction_asked_for(battles: pd.DataFrame) -> None:
    sample = Battles.validate(sample_battles(battles, SAMPLED, seed=0))
    drawn = set(sample["prompt_group"])
    assert len(sample) == battles["prompt_group"].isin(drawn).sum()
    assert 20 < len(drawn) < 45
    assert drawn != set(sample_battles(battles, SAMPLED, seed=1)["prompt_group"])


def test_partitions_are_sampled_like_the_whole(battles: pd.DataFrame) -> None:
    partitions = [sample_battles(battles[start : start + 60], SAMPLED, seed=0) for start in range(0, 240, 60)]
    pd.testing.assert_frame_equal(pd.concat(partitions, ignore_index=True), sample_battles(battles, SAMPLED, seed=0))


def test_a_row_is_named_by_its_number_in_the_file_also_in_a_later_chunk() -> None:
    table = pd.DataFrame([raw_row(id="1"), raw_row(id="x")], index=[20, 21])
    with pytest.raises(ValueError, match="Row 22 of"):
        parse_test_battles(table)


def test_folds_never_split_a_prompt_group_and_labels_are_those_of_the_battles(battles: pd.DataFrame) -> None:
    labels = Labels.validate(assign_folds(battles, CONFIG, seed=0))
    pd.testing.assert_frame_equal(labels.drop(columns="fold"), battles[["id", "prompt_group", "label"]])
    assert labels.groupby("prompt_group")["fold"].nunique().max() == 1
    assert labels["fold"].value_counts().between(60, 100).all()


def test_too_few_prompt_groups_or_battles_of_a_class_are_errors_that_name_the_parameter(battles: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"1 prompt groups .* 3 folds.* ingestion\.n_splits"):
        assign_folds(battles.assign(prompt_group="one"), CONFIG, seed=0)
    with pytest.raises(ValueError, match=r"1 prompt groups .* Add battles"):
        assign_folds(battles[:1], CONFIG, seed=0)
    with pytest.raises(ValueError, match=r"0 .* winner_tie.* ingestion\.n_splits"):
        assign_folds(battles[battles["label"] < 2], CONFIG, seed=0)


def test_a_class_in_a_single_prompt_group_is_an_error_that_names_it(battles: pd.DataFrame) -> None:
    in_one_group = battles["prompt_group"] == "group-3"
    others = battles[~in_one_group & (battles["label"] < 2)]
    ties = battles[in_one_group].assign(label=np.int8(2))
    with pytest.raises(ValueError, match="winner_tie"):
        assign_folds(pd.concat([others, ties]), CONFIG, seed=0)


@pytest.mark.parametrize("parameters", [{"n_splits": 2}, {"sample_fraction": 0.0}, {"sample_fraction": 1.5}, {"n": 3}])
def test_parameters_out_of_range_or_unknown_are_rejected(parameters: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(parameters))):
        IngestionConfig(**{"n_splits": 3, "sample_fraction": 1.0, **parameters})
