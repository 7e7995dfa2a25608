"""Battles as two conversations, from files with the types of the published sets to parsed battles."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from arena_preference.battles import Battles, RejectedRows
from arena_preference.datasets import RawTable, RawTablesDataset
from arena_preference.pipelines.ingestion.config import IngestionConfig
from arena_preference.pipelines.ingestion.parsing import parse_test_battles, parse_train_battles

from .examples import EXAMPLES, Row, block, talk

MakeConfig = Callable[..., IngestionConfig]

TEXT = pa.string()


def struct(**fields: pa.DataType) -> pa.DataType:
    return pa.struct(fields)


def conversations(message: pa.DataType) -> dict[str, pa.DataType]:
    return dict.fromkeys(("conversation_a", "conversation_b"), pa.list_(message))


_VOTE = {"model_a": TEXT, "model_b": TEXT, "winner": TEXT, "language": TEXT}
_OLD_VOTE = {**_VOTE, "turn": pa.int64(), "anony": pa.bool_(), "tstamp": pa.float64()}
_NEW_VOTE = {"id": TEXT, **_VOTE, "evaluation_order": pa.int32()}
_FLAGS = {
    "creative_writing_v0.1": struct(creative_writing=pa.bool_(), score=TEXT),
    "criteria_v0.1": struct(complexity=pa.bool_(), real_world=pa.bool_()),
    "if_v0.1": pa.struct({"if": pa.bool_(), "score": pa.int64()}),
    "math_v0.1": struct(math=pa.bool_()),
}
_BLOCKS = pa.list_(struct(type=TEXT, text=TEXT, image=TEXT, mimeType=TEXT))
_CALLS = pa.list_(struct(id=TEXT, type=TEXT, function=struct(name=TEXT, arguments=TEXT)))
SCHEMAS = {
    "arena_33k": {
        "question_id": TEXT,
        **_OLD_VOTE,
        "judge": TEXT,
        **conversations(struct(content=TEXT, role=TEXT)),
        "openai_moderation": struct(
            categories=struct(hate=pa.bool_()), category_scores=struct(hate=pa.float64()), flagged=pa.bool_()
        ),
    },
    "mt_bench": {
        "question_id": pa.int64(),
        "model_a": TEXT,
        "model_b": TEXT,
        "winner": TEXT,
        "judge": TEXT,
        **conversations(struct(content=TEXT, role=TEXT)),
        "turn": pa.int64(),
    },
    "arena_100k": {
        "question_id": TEXT,
        **_OLD_VOTE,
        "judge_hash": TEXT,
        **conversations(struct(content=TEXT, num_tokens=pa.int64(), role=TEXT)),
        "is_code": pa.bool_(),
        "is_refusal": pa.bool_(),
        "dedup_tag": struct(high_freq=pa.bool_(), sampled=pa.bool_()),
        "category_tag": pa.struct(_FLAGS),
    },
    "arena_140k": {
        **_NEW_VOTE,
        "evaluation_session_id": TEXT,
        **conversations(struct(role=TEXT, content=_BLOCKS, num_tokens=pa.int32())),
        "is_code": pa.bool_(),
        "category_tag": pa.struct(_FLAGS),
    },
    "expert_5k": {
        **_NEW_VOTE,
        "conversation_a": TEXT,
        "conversation_b": TEXT,
        "occupational_tags": struct(education=pa.bool_(), travel=pa.bool_()),
    },
    "messages": {
        "id": TEXT,
        "model_a": TEXT,
        "model_b": TEXT,
        "judge": TEXT,
        "winner": TEXT,
        **conversations(struct(role=TEXT, content=TEXT, tool_calls=_CALLS, tool_call_id=TEXT)),
    },
}

A, B, TIE = 0, 1, 2
SHORT = (["q"], ["a"], ["b"])
# By position: prompt, both responses, label, and some of the optional columns.
BATTLES: dict[str, dict[int, tuple[Any, ...]]] = {
    "arena_33k": {
        0: (["Hi"], ["Hello!"], ["Good day."], A, {"judge": "arena_user_1", "timestamp": "1682351591.1322"}),
        1: (["Hi"], ["Hello!"], ["Good day."], B, {"judge": "arena_user_2", "model_a": "vicuna-13b"}),
        2: (["q1", "q2"], ["a1", "a2"], ["b1", "b2"], TIE, {"tie_kind": "tie", "language": "English"}),
        3: (["¿Qué?"], ["日本 👩‍💻"], ["Né"], TIE, {"tie_kind": "both bad", "language": "Spanish"}),
        4: (["q"], [None], ["b"], B, {"tie_kind": None}),
        5: (["q"], [""], ["b"], B, {}),
        7: (*SHORT, A, {"judge": None, "timestamp": None}),
        9: (["q"], ["a"], [None], A, {}),
    },
    "mt_bench": {
        0: (["q1"], ["a1"], ["b1"], A, {"id": "81:gpt-4:llama-13b:expert_0:1", "judge": "expert_0"}),
        1: (["q1", "q2"], ["a1", "a2"], ["b1", "b2"], A, {"id": "81:gpt-4:llama-13b:expert_0:2"}),
        2: (["q1"], ["a1"], ["b1"], TIE, {"id": "81:gpt-4:llama-13b:expert_1:1"}),
        3: (["q1"], ["a1"], ["b1"], B, {"id": "81:gpt-4:llama-13b:author_2:1"}),
        4: (["q1"], ["a1"], ["b1"], A, {"id": "81:gpt-4:alpaca-13b:expert_0:1"}),
        6: (["q1"], ["a1"], ["b1"], A, {"id": "82:gpt-4:llama-13b:expert_0:1"}),
        9: (["q1"], ["a1"], ["b1"], A, {"id": "83:gpt-4:llama-13b::1"}),
    },
    "arena_100k": {
        0: (*SHORT, A, {"judge": "c0ffee", "language": "English", "category": None, "timestamp": "1718000000.5"}),
        1: (*SHORT, A, {"category": "complexity,math"}),
        2: (*SHORT, A, {"category": "code,math"}),
        3: (["hi"], ["a"], ["b"], A, {}),
        5: (*SHORT, TIE, {"tie_kind": "both bad", "language": "Chinese"}),
        6: (*SHORT, TIE, {"tie_kind": "tie", "judge": None}),
        7: (["q"], [None], [""], B, {}),
    },
    "arena_140k": {
        0: (*SHORT, A, {"session": "session-1", "language": "en", "model_b": "o3"}),
        1: (*SHORT, TIE, {"tie_kind": "both bad", "session": "session-1"}),
        2: (["q"], ["a\n\nmore"], ["b"], A, {"session": "s-2"}),
        5: (["q"], [None], [""], TIE, {"tie_kind": "tie"}),
        6: (["q"], ["日本"], [None], A, {"language": "ja", "category": "code"}),
        7: (["q1", "q2"], ["a1", "a2"], ["b1", "b2"], B, {}),
        9: (*SHORT, A, {"category": "creative_writing,if"}),
    },
    "messages": {
        0: (*SHORT, A, {"model_a": "ant", "judge": "ann"}),
        1: (["Be brief.\n\nq"], ["a"], ["b"], A, {"judge": None}),
        3: (*SHORT, TIE, {"tie_kind": "tie"}),
        4: (["q"], ["a\n\nmore"], ["b"], B, {}),
        6: (["q1", "q2"], ["a1", None], ["b1", None], TIE, {"tie_kind": "both bad"}),
    },
}
BATTLES["expert_5k"] = {
    number: (*rest, {"session": None, "category": {0: "education,travel", 1: "travel"}.get(number)})
    for number, (*rest, _) in BATTLES["arena_140k"].items()
}
# By position: a part of the reason, and whether it is a fault.
REJECTED: dict[str, dict[int, tuple[str, bool]]] = {
    "arena_33k": {6: ("turns", True), 8: ("winner is unknown: 'model_c'", True)},
    "mt_bench": {5: ("'gpt4_pair'", False), 7: ("turns", True), 8: ("turn is not a number of turns: '0'", True)},
    "arena_100k": {4: ("dedup_tag", False), 8: ("turns", True), 9: ("no label", True)},
    "arena_140k": {3: ("images", False), 4: ("images", False), 8: ("turns", True)},
    "messages": {
        2: ("turns", True),
        5: ("calls of tools", False),
        7: ("no label", True),
        8: ("conversation_a is a list with an unknown role: 'narrator'", True),
        9: ("conversation_a is a list that starts with the assistant", True),
    },
}
REJECTED["expert_5k"] = REJECTED["arena_140k"]


def read(path: Path) -> list[RawTable]:
    return RawTablesDataset(filepath=path.as_posix()).load()


def write(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(path: Path, rows: list[Row], schema: dict[str, pa.DataType]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(schema)), path)
    return path


def list_rejected(rejected: pd.DataFrame) -> list[tuple[str, str, bool]]:
    return list(rejected[["id", "reason", "is_fault"]].itertuples(index=False, name=None))


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("name", SCHEMAS)
def test_rows_of_the_published_types_become_battles(
    tmp_path: Path, make_config: MakeConfig, name: str, suffix: str
) -> None:
    rows = EXAMPLES[name]
    if suffix == "jsonl":
        path = write(tmp_path / "train.jsonl", rows)
    else:
        # In Parquet a content is either text or a list of blocks.
        rows = [row for row in rows if name != "messages" or row["id"] != "m-3"]
        path = write_parquet(tmp_path / "train.parquet", rows, SCHEMAS[name])
    battles, rejected = parse_train_battles(read(path), make_config(max_rejected=1))
    Battles.validate(battles)
    RejectedRows.validate(rejected)

    positions = {number: position for position, number in enumerate(EXAMPLES[name].index(row) for row in rows)}
    expected = {positions[number]: battle for number, battle in BATTLES[name].items() if number in positions}
    table = battles.set_index("row").sort_index()
    assert list(table.index) == list(expected)
    assert set(table["format"]) == {"messages" if name == "messages" else "arena"}
    for row, (prompt, response_a, response_b, label, optional) in expected.items():
        battle = table.loc[row]
        assert [list(battle[column]) for column in ("prompt", "response_a", "response_b")] == [
            *(prompt, response_a, response_b)
        ]
        assert battle["label"] == label
        assert "weight" not in battle
        for column, value in {"id": str(rows[row].get("id", rows[row].get("question_id"))), **optional}.items():
            found = battle.get(column)
            assert (None if pd.isna(found) else found) == value, (row, column)

    found = list_rejected(rejected)
    assert len(found) == len(REJECTED[name])
    for (raw_id, reason, is_fault), (number, (part, is_expected)) in zip(found, REJECTED[name].items(), strict=True):
        row = EXAMPLES[name][number]
        assert (raw_id, is_fault) == (str(row.get("id", row.get("question_id"))), is_expected)
        assert part in reason


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_row_is_predicted_from_its_texts(tmp_path: Path, make_config: MakeConfig, name: str) -> None:
    rows = [{column: value for column, value in row.items() if column != "winner"} for row in EXAMPLES[name]]
    battles, rejected = parse_test_battles(read(write(tmp_path / "test.jsonl", rows)), make_config())
    Battles.validate(battles)
    assert not {"label", "weight", "tie_kind"} & set(battles)
    assert sorted(battles["row"]) == list(range(10))
    trained, table = BATTLES[name], battles.set_index("row")
    for row, (prompt, response_a, response_b, *_) in trained.items():
        assert [list(table.loc[row, column]) for column in ("prompt", "response_a", "response_b")] == [
            *(prompt, response_a, response_b)
        ]
    left_out = {number: reason for number, (reason, _) in REJECTED[name].items() if "winner" not in reason}
    left_out = {number: reason for number, reason in left_out.items() if reason != "no label"}
    assert len(rejected) == len(left_out)
    assert all(part in reason for part, reason in zip(left_out.values(), rejected["reason"], strict=True))


@pytest.mark.parametrize("turn", [1, 1.0, "1"])
def test_the_conversation_ends_with_the_turn_of_the_vote(tmp_path: Path, make_config: MakeConfig, turn: Any) -> None:
    path = write(tmp_path / "train.jsonl", [{**EXAMPLES["arena_33k"][2], "turn": turn}])
    battles, _ = parse_train_battles(read(path), make_config())
    assert list(battles.loc[0, "response_b"]) == ["b1"]


def test_a_row_that_training_leaves_out_is_predicted_from_its_texts(tmp_path: Path, make_config: MakeConfig) -> None:
    def predict(name: str, number: int) -> pd.Series:
        path = write(tmp_path / "test.jsonl", [EXAMPLES[name][number]])
        battles, rejected = parse_test_battles(read(path), make_config())
        assert len(rejected) == 1
        return battles.iloc[0]

    sampled, image, tools = predict("arena_100k", 4), predict("arena_140k", 3), predict("messages", 5)
    assert (list(sampled["prompt"]), list(sampled["response_a"])) == (["hi"], ["a"])
    assert (list(image["prompt"]), list(image["response_b"])) == (["q"], ["b"])
    assert (list(tools["prompt"]), list(tools["response_a"]), list(tools["response_b"])) == (["q"], [None], ["b"])
    # Two prompts: the first stands for both.
    other = predict("arena_33k", 6)
    assert (list(other["prompt"]), list(other["response_b"])) == (["q"], ["b"])
    # A conversation that cannot be read is plain text.
    unknown = predict("messages", 8)
    assert list(unknown["prompt"]) == []
    assert "narrator" in unknown["response_a"][0]


def test_a_row_of_unknown_winner_is_predicted_from_its_conversations(tmp_path: Path, make_config: MakeConfig) -> None:
    path = write(tmp_path / "test.jsonl", [{**EXAMPLES["messages"][0], "winner": "nobody"}])
    battles, rejected = parse_test_battles(read(path), make_config())
    assert list(battles.loc[0, "response_a"]) == ["a"]
    assert "'nobody'" in rejected.loc[0, "reason"]


def parse_one(path: Path, config: IngestionConfig, a: Any, b: Any, **other: Any) -> tuple[Any, ...]:
    """Texts of a battle with other ones around it, or the reason why it is rejected."""
    rows = [*EXAMPLES["messages"][:2], {"id": "x", "conversation_a": a, "conversation_b": b, "winner": "a", **other}]
    battles, rejected = parse_train_battles(read(write(path / "train.jsonl", rows)), config)
    if len(rejected):
        return (rejected.loc[0, "reason"],)
    battle = battles.set_index("id").loc["x"]
    return tuple(list(battle[column]) for column in ("prompt", "response_a", "response_b"))


SYSTEM = {"role": "system", "content": "s"}


@pytest.mark.parametrize(
    ("a", "expected"),
    [
        ([SYSTEM, {"role": "developer", "content": "d"}, *talk("q", "a")], (["s\n\nd\n\nq"], ["a"])),
        ([*talk("q", "a"), SYSTEM, *talk("q2", "a2")], (["q", "s\n\nq2"], ["a", "a2"])),
        (talk("q", "a") + talk("q2"), (["q", "q2"], ["a", None])),
        (talk("q1") + talk("q2", "a"), (["q1", "q2"], [None, "a"])),
        (talk("q") + [{"role": "assistant", "content": text} for text in (None, "", "a", "b")], (["q"], ["a\n\nb"])),
        (talk(None, "a"), ([None], ["a"])),
        (talk("cut \ud83d", "a"), (["cut \ufffd"], ["a"])),
        (talk([block("q"), block("r")], [{"type": "text", "text": "a"}]), (["q\n\nr"], ["a"])),
        (json.dumps(talk("q", "a")), (["q"], ["a"])),
        (str(talk("it's", "a")), (["it's"], ["a"])),
    ],
    ids=[
        *("system", "later system", "no reply", "no reply between", "replies in a row", "null turn", "surrogate"),
        *("blocks", "JSON", "Python"),
    ],
)
def test_turns_of_the_user_and_their_responses(
    tmp_path: Path, make_config: MakeConfig, a: Any, expected: tuple[list[Any], list[Any]]
) -> None:
    prompt, responses = expected
    assert parse_one(tmp_path, make_config(), a, a) == (prompt, responses, responses)


@pytest.mark.parametrize(
    ("a", "part"),
    [
        (None, "conversation_a is missing"),
        ("", "conversation_a is missing"),
        ([], "conversation_a has no turn of the user"),
        ([SYSTEM], "conversation_a is a list that ends with the system"),
        ("hello", "conversation_a is neither JSON"),
        (7, "conversation_a is not a list of messages"),
        (["hello"], "conversation_a is not a list of messages"),
        ([{"content": "q"}], "unknown role: 'None'"),
        (talk(7, "a"), "content"),
        (talk(["q"], "a"), "content"),
    ],
)
def test_what_is_no_conversation_is_rejected(tmp_path: Path, make_config: MakeConfig, a: Any, part: str) -> None:
    (reason,) = parse_one(tmp_path, make_config(max_rejected=1), a, talk("q", "b"))
    assert part in reason


@pytest.mark.parametrize("column", ["category_tag", "dedup_tag", "occupational_tags"])
def test_tags_are_objects_or_their_text(tmp_path: Path, make_config: MakeConfig, column: str) -> None:
    def parse(value: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
        rows = [{**EXAMPLES["arena_100k"][number], column: value} for number in (0, 1)]
        rows[0][column] = None
        return parse_train_battles(read(write(tmp_path / "train.jsonl", rows)), make_config(max_rejected=1))

    text = "{'sampled': False, 'travel': True}"
    for value in (text, json.dumps({"sampled": False, "travel": True}), {"sampled": False, "travel": True}):
        battles, rejected = parse(value)
        if column == "dedup_tag":
            assert rejected["is_fault"].tolist() == [False]
        else:
            assert "travel" in battles.loc[1, "category"]
    for value in ("sampled", 7, ["sampled"]):
        assert f"{column} is not an object" in parse(value)[1].loc[0, "reason"]


def test_numbered_questions_of_ones_own_keep_their_ids(tmp_path: Path, make_config: MakeConfig) -> None:
    rows = [{**row, "question_id": number} for number, row in enumerate(EXAMPLES["arena_33k"][:2])]
    battles, _ = parse_train_battles(read(write(tmp_path / "train.jsonl", rows)), make_config())
    assert battles["id"].tolist() == ["0", "1"]
