"""From raw rows to battles."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from arena_preference.battles import Battles, RejectedRows
from arena_preference.pipelines.ingestion.config import IngestionConfig
from arena_preference.pipelines.ingestion.parsing import parse_test_battles, parse_train_battles

from .conftest import make_config, raw_row, raw_table

SOFT = {"winner_model_a": "0.5", "winner_model_b": "0.25", "winner_tie": "0.25"}


def parse(*rows: dict[str, Any], **changes: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    battles, rejected = parse_train_battles([raw_table(*rows)], make_config(**changes))
    return Battles.validate(battles), RejectedRows.validate(rejected)


def parse_test(*rows: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    battles, rejected = parse_test_battles([raw_table(*rows, name="test.csv")], make_config())
    return Battles.validate(battles), RejectedRows.validate(rejected)


def test_a_whole_row_becomes_a_battle() -> None:
    battles, rejected = parse(raw_row(model_a="ant", model_b=""))
    battle = battles.iloc[0]
    assert battle[["id", "source", "format", "row", "label"]].tolist() == [
        "4294967296",
        "train.csv",
        "competition",
        0,
        0,
    ]
    assert list(battle["response_b"]) == ["No idea."]
    assert battle["model_a"] == "ant"
    assert "model_b" not in battles
    assert rejected.empty


def test_unusable_training_rows_are_rejected_whole_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        raw_row(id="1"),
        raw_row(id="2", prompt="Why?"),
        raw_row(id=""),
        raw_row(id="4", winner_tie="1"),
        raw_row(id="5", response_a="nan"),
        raw_row(id="6", winner_model_a=""),
        raw_row(id="7", winner_model_a="", winner_model_b="", winner_tie=""),
        raw_row(id="8"),
    ]
    with caplog.at_level("INFO", logger="arena_preference"):
        battles, rejected = parse(*rows)
    assert battles["id"].tolist() == ["1", "8"]
    assert battles["row"].tolist() == [0, 7]
    assert rejected["id"].tolist() == ["2", "", "4", "5", "6", "7"]
    assert [reason.split(":")[0] for reason in rejected["reason"]] == [
        "prompt is neither JSON nor a Python list",
        "id is missing",
        "the winner columns are neither one 1 and two 0 nor probabilities",
        "response_a is missing",
        "the winner columns are not numbers",
        "there is no label",
    ]
    assert rejected["is_fault"].all()
    assert json.loads(rejected["raw_row"][0]) == rows[1]
    assert "train: 2 battles, 6 rows" in caplog.text
    assert "1 x id is missing" in caplog.text


def test_more_rejected_rows_than_allowed_stop_the_run_with_the_reasons() -> None:
    rows = [raw_row(id=str(number)) for number in range(99)]
    parse(*rows, raw_row(id="x", prompt="Why?"), max_rejected=0.01)
    with pytest.raises(
        ValueError, match=r"2 of 101 .*max_rejected=0\.01.*prompt is .* x in train\.csv.*ingestion\.max_rejected=1"
    ):
        parse(*rows, raw_row(id="x", prompt="Why?"), raw_row(id="y", prompt="Why?"), max_rejected=0.01)


def test_python_lists_are_read_like_json() -> None:
    rows = [raw_row(id="1", prompt="['it\\'s']", response_a="['a', None]"), raw_row(id="2", prompt='["it\'s"]')]
    battles, rejected = parse(*rows)
    assert list(battles["prompt"][0]) == list(battles["prompt"][1]) == ["it's"]
    assert list(battles["response_a"][0]) == ["a", None]
    assert rejected.empty


def test_soft_labels_have_probabilities_and_the_likeliest_class() -> None:
    battles, _ = parse(raw_row(id="1"), raw_row(id="2", **SOFT))
    assert battles["label"].tolist() == [0, 0]
    columns = [f"label_{name}" for name in SOFT]
    assert battles[columns].iloc[1].tolist() == [0.5, 0.25, 0.25]
    assert battles[columns].iloc[0].isna().all()


def test_a_training_file_without_a_usable_row_is_an_error_with_the_reasons() -> None:
    with pytest.raises(ValueError, match=r"None of the 1 rows of folder/train\.csv, .*prompt is neither"):
        parse(raw_row(prompt="Why?"))


def test_a_winner_that_is_no_side_is_shown() -> None:
    texts = {name: raw_row()[name] for name in ("prompt", "response_a", "response_b")}
    with pytest.raises(ValueError, match=r"winner is unknown': 1.* 12 in train\.csv: winner is unknown: 'ant'"):
        parse({"id": "12", **texts, "winner": "ant"})


def test_ids_that_differ_in_writing_differ_and_a_repeated_one_is_an_error() -> None:
    battles, _ = parse(raw_row(id="7"), raw_row(id="007"))
    assert battles["id"].tolist() == ["007", "7"]
    for parse_rows in (parse, parse_test):
        with pytest.raises(ValueError, match=r"1 ids .*train|1 ids .*test"):
            parse_rows(raw_row(id="7"), raw_row(id="7"))


def test_battles_are_in_the_order_of_their_ids_whatever_the_order_of_the_rows() -> None:
    rows = [raw_row(id=name) for name in ("b", "a", "10", "9")]
    columns = ["id", "prompt_group", "label"]
    pd.testing.assert_frame_equal(parse(*rows)[0][columns], parse(*rows[::-1])[0][columns])
    assert parse(*rows)[0]["id"].tolist() == ["10", "9", "a", "b"]


def test_no_test_id_is_lost_and_what_is_left_of_a_broken_cell_is_kept() -> None:
    texts = ("id", "prompt", "response_a", "response_b")
    battles, rejected = parse_test(
        {name: raw_row(id="9", response_a="Because, plainly.")[name] for name in texts},
        {"id": "8", "prompt": "nan", "response_a": "", "response_b": "[1]"},
        {"id": "7", "prompt": '["Why?"]', "response_a": '[""]', "response_b": "[null]"},
        {"id": "6", "prompt": '["Why?"]', "response_a": "[NaN]", "response_b": "['b']"},
    )
    assert battles["id"].tolist() == ["6", "7", "8", "9"]
    assert battles["row"].tolist() == [3, 2, 1, 0]
    assert list(battles["response_a"][0]) == [None]
    assert list(battles["response_b"][1]) == [None]
    assert list(battles["prompt"][2]) == []
    assert list(battles["response_b"][2]) == ["[1]"]
    assert list(battles["response_a"][3]) == ["Because, plainly."]
    assert rejected["id"].tolist() == ["9", "8"]
    assert rejected["reason"].tolist() == ["response_a is neither JSON nor a Python list", "prompt is missing"]
    assert "label" not in battles


@pytest.mark.parametrize(
    "columns",
    [
        ("prompt", "chosen", "rejected"),
        ("prompt", "response_1", "response_2", "preference_strength"),
        ("context", "response1", "response2", "overall_preference"),
        ("prompt", "response_1", "response_2", "winner", "model_a", "model_b"),
        ("prompt", "response_a", "response_b", "winner"),
    ],
)
def test_a_test_row_that_does_not_fit_keeps_its_texts_in_every_form(columns: tuple[str, ...]) -> None:
    texts = dict(zip(columns, ("", '["a"]', "b"), strict=False))
    battles, rejected = parse_test(dict.fromkeys(columns, "tie") | texts)
    battle = battles.iloc[0]
    assert [list(battle[name]) for name in ("prompt", "response_a", "response_b")] == [[], ['["a"]'], ["b"]]
    assert rejected["reason"].str.contains(f"{columns[0]} is missing|no prompt").tolist() == [True]


def test_a_test_file_of_helpsteer3_needs_no_preferences() -> None:
    battles, rejected = parse_test({"context": [{"role": "user", "content": "q"}], "response1": "a", "response2": "b"})
    assert (battles["format"][0], list(battles["response_b"][0])) == ("helpsteer3", ["b"])
    assert rejected.empty


def test_in_a_plain_test_row_only_the_cell_that_is_missing_is_called_wrong(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="arena_preference"):
        battles, rejected = parse_test({"id": "1", "prompt": None, "response_a": "a", "response_b": "b"})
    assert [list(battles[column][0]) for column in ("prompt", "response_a", "response_b")] == [[], ["a"], ["b"]]
    assert rejected["reason"].tolist() == ["prompt is missing"]
    assert "test.csv: format plain" in caplog.text


def test_a_missing_test_id_is_an_error_with_file_and_row_also_in_a_later_chunk() -> None:
    with pytest.raises(ValueError, match=r"Row 2 of folder/test\.csv.*id"):
        parse_test(raw_row(id="1"), raw_row(id=""))
    chunk = raw_table(raw_row(id="1"), raw_row(id=""), name="test.csv", first_row=20, is_whole=False)
    with pytest.raises(ValueError, match="Row 22 of"):
        parse_test_battles([chunk], make_config())


def test_rows_without_a_column_id_are_numbered() -> None:
    texts = {"prompt": "Why?", "response_a": "a", "response_b": "b", "winner": "tie"}
    assert parse(texts, texts)[0]["id"].tolist() == ["0", "1"]


def test_lists_of_turns_are_read_as_such_also_without_ids() -> None:
    row = {name: cell for name, cell in raw_row().items() if name != "id"}
    battles, _ = parse(row)
    assert (battles["format"][0], battles["id"][0], list(battles["prompt"][0])) == ("competition", "0", ["Why?"])


def test_responses_may_have_different_numbers_of_turns() -> None:
    row = raw_row(prompt='["Why?", "And?"]', response_a='["Because.", null, "So."]', response_b="[]")
    battle = parse(row)[0].iloc[0]
    assert [list(battle[name]) for name in ("prompt", "response_a", "response_b")] == [
        ["Why?", "And?"],
        ["Because.", None, "So."],
        [],
    ]


def test_prompt_groups_follow_the_first_turn() -> None:
    rows = [
        raw_row(id=str(number), prompt=json.dumps(turns))
        for number, turns in enumerate([["A b"], ["a  B", "c"], ["c"]])
    ]
    groups = parse(*rows)[0]["prompt_group"]
    assert groups[0] == groups[1] != groups[2]
    assert np.unique(groups).size == 2


def test_a_battle_in_several_files_counts_once_also_mirrored_and_the_main_source_is_first() -> None:
    first = raw_table(raw_row(id="1"), raw_row(id="2", prompt='["How?"]'), name="a.csv", n_files=2)
    mirrored = raw_row(
        id="1", response_a='["No idea."]', response_b='["Because."]', winner_model_a="0", winner_model_b="1"
    )
    other_vote = raw_row(id="3", winner_model_a="0", winner_tie="1")
    second = raw_table(mirrored, other_vote, name="b.csv", n_files=2)
    battles, rejected = parse_train_battles([first, second], make_config())
    assert Battles.validate(battles)["id"].tolist() == ["a.csv/1", "a.csv/2", "b.csv/3"]
    assert rejected[["source", "is_fault"]].values.tolist() == [["b.csv", False]]
    assert "a.csv/1" in rejected["reason"][0]
    battles, _ = parse_train_battles([first, second], make_config(main_source="b.csv"))
    assert battles["id"].tolist() == ["a.csv/2", "b.csv/1", "b.csv/3"]
    largest = replace(second, rows=[*second.rows, raw_row(id="4", prompt='["Who?"]')])
    battles, _ = parse_train_battles([first, largest], make_config())
    assert battles["id"].tolist() == ["a.csv/2", "b.csv/1", "b.csv/3", "b.csv/4"]


def test_a_soft_label_is_the_same_battle_only_if_it_has_the_same_probabilities() -> None:
    tie = {"winner_model_a": "0.5", "winner_model_b": "0.5", "winner_tie": "0"}
    mirrored = raw_row(id="2", response_a='["No idea."]', response_b='["Because."]', **tie)
    tables = [
        raw_table(*rows, name=name, n_files=2)
        for name, rows in (("a.csv", [raw_row(id="1", **tie)]), ("b.csv", [mirrored, raw_row(id="3")]))
    ]
    battles, rejected = parse_train_battles(tables, make_config())
    assert battles["id"].tolist() == ["b.csv/2", "b.csv/3"]
    assert len(rejected) == 1


def test_equal_rows_of_one_file_are_votes_of_several_people() -> None:
    assert len(parse(raw_row(id="1"), raw_row(id="2"))[0]) == 2


def test_sources_have_weights() -> None:
    tables = [raw_table(raw_row(id="1", prompt=f'["{name}"]'), name=name, n_files=2) for name in ("a.csv", "b.csv")]
    battles, _ = parse_train_battles(tables, make_config(source_weights={"b.csv": 0.5}))
    assert battles["weight"].fillna(1).tolist() == [1, 0.5]
    assert "weight" not in parse_train_battles(tables, make_config())[0]


def test_several_files_are_not_read_in_chunks(config: IngestionConfig) -> None:
    chunk = raw_table(raw_row(), name="a.csv", n_files=2, is_whole=False)
    with pytest.raises(ValueError, match=r"a\.csv is one of 2 files.*chunk_rows"):
        parse_train_battles([chunk], config)


def test_too_many_rejected_rows_in_one_chunk_do_not_stop_the_run() -> None:
    chunk = raw_table(raw_row(), raw_row(id="x", prompt="Why?"), is_whole=False)
    battles, rejected = parse_train_battles([chunk], make_config(max_rejected=0.01))
    assert (len(battles), len(rejected)) == (1, 1)
