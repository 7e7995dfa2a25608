"""Preference pairs, rankings and benchmarks, read from files as a run reads them."""

import json
import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from arena_preference.battles import Battles, RejectedRows
from arena_preference.datasets import RawTablesDataset
from arena_preference.formats import FORMATS, find_format
from arena_preference.formats.sides import draw_sides, label_pair
from arena_preference.pipelines.ingestion.config import IngestionConfig
from arena_preference.pipelines.ingestion.parsing import parse_test_battles, parse_train_battles

from .examples_pairs import EXAMPLES, SCHEMAS, VARIANTS, Rows, messages, reply

CONFIG = IngestionConfig(**yaml.safe_load(Path("conf/base/parameters_ingestion.yml").read_text("utf-8"))["ingestion"])
#: Of examples of which many are meant to be rejected.
LENIENT = CONFIG.model_copy(update={"max_rejected": 1.0, "allow_benchmarks": True})

ALL = {**{(name, ""): rows for name, rows in EXAMPLES.items()}, **VARIANTS}

# Prompt, the better response, the worse one.
Expected = dict[str, tuple[list[str], list[str], list[str]]]

WHY = ["Why?"]
BATTLES: dict[tuple[str, str], Expected] = {
    ("preference", ""): {
        "0": (WHY, ["Because."], ["No idea."]),
        "1": (["Why?", "And then?"], ["Because.", "مرحبا\n👩‍💻"], ["Because.", '"Quoted", \\ kept']),
        "2": (["Be brief.\n\nWhy?"], ["So."], ["That is a long story."]),
        "3": (WHY, ["Because."], ["No idea."]),
        "4": (["Why?", "Two?"], ["One.", "2"], ["One.", "II"]),
        "5": (WHY, ["Because."], [""]),
    },
    ("preference", "text"): {
        "0": (["The sky is"], [" blue."], [" green."]),
        "1": (WHY, [" Because."], [" No idea."]),
        "2": (["Human: a species?"], ["Yes"], ["No"]),
    },
    ("preference", "implicit text"): {
        "0": (["Why?", "And?"], ["Because.", "So."], ["Because.", "Or."]),
        "1": (WHY, ["Because."], [""]),
    },
    ("ultrafeedback", ""): {
        "0": (WHY, ["Because."], ["No idea."]),
        "3": (["Who?"], ["I."], [""]),
        "4": (["Rhyme.\n\nWho?"], ["I."], ["My."]),
        "5": (["A?", "And?"], ["a", "b"], ["a", "c"]),
    },
    ("ultrafeedback", "implicit prompt"): {"0": (WHY, ["Because."], ["No idea."])},
    ("nectar", ""): {
        "0": (WHY, ["Because."], ["No idea."]),
        "1-0": (WHY, ["a"], ["b"]),
        "1-1": (WHY, ["b"], ["c"]),
        "2": (["Hi", "Why?"], ["Hello!", "y"], ["Hello!", "x"]),
        "3": (["A list:\n\n- one"], ["\n1"], [""]),
        "5": (WHY, ["x"], ["y"]),
    },
    ("rewardbench", ""): {
        "made-up-easy/0": (WHY, ["a0"], ["b0"]),
        "made-up-easy/1": (WHY, ["a1"], ["b1"]),
        "made-up-hard/2": (WHY, ["a2"], ["b2"]),
        "made-up-easy/3": (WHY, ["a3"], ["b3"]),
        "made-up-easy/4": (["Two\n\nparagraphs"], ["a4"], ["b4"]),
        "made-up-hard/0": (WHY, ["a5"], ["b5"]),
        "made-up-easy/6": (WHY, ["[1, 2]"], ["[]"]),
    },
    ("rewardbench", "second"): {
        "Factuality/12-0": (["Name a colour."], ["Red"], ["Car"]),
        "Factuality/12-1": (["Name a colour."], ["Red"], [""]),
        "Factuality/12-2": (["Name a colour."], ["Red"], ["No"]),
        "Ties/ref:1-0": (["Name a colour."], ["Red"], ["Car"]),
        "Ties/ref:1-1": (["Name a colour."], ["Red"], ["Dog"]),
        "Ties/ref:1-2": (["Name a colour."], ["Blue"], ["Car"]),
        "Ties/ref:1-3": (["Name a colour."], ["Blue"], ["Dog"]),
    },
    # These have sides of their own.
    ("helpsteer3", ""): {
        "0": (WHY, ["First."], ["Second."]),
        "1": (WHY, ["First."], ["Second."]),
        "3": (["Pourquoi ?"], ["Second."], ["First."]),
        "4": (["Write it.", "In C."], ["In what?", "Second."], ["In what?", "First."]),
        "5": (["Be brief.\n\nWhy?"], ["Same."], ["Same."]),
    },
    ("helpsteer2", ""): {
        "0": (["c#"], ["First."], ["Second."]),
        "1": (WHY, ["First."], ["Second."]),
        "3": (WHY, ["Second."], ["First."]),
        "4": (["Why?\n\nThe end."], ["\tIndented\n"], ["First."]),
        "5": (["Why?", "And then?"], ["Because.", "Second."], ["Because.", "First."]),
        "6": (["What is <extra_id_1>?"], ["Second."], ["First."]),
    },
    ("ppe", ""): {
        "q0": (WHY, ["First."], ["Second."]),
        "q1": (WHY, ["Second."], ["First."]),
        "q4": (["چرا؟"], ["First."], ["Second."]),
        "q5": (WHY, ["Same."], ["Same."]),
    },
}
TIES: dict[tuple[str, str], set[str]] = {
    ("helpsteer3", ""): {"2"},
    ("helpsteer2", ""): {"2"},
    ("ultrafeedback", ""): {"1", "2"},
    ("nectar", ""): {"4"},
    ("ppe", ""): {"q2", "q3"},
}
#: A part of the reason, in the order of the rows.
REASONS = {
    ("preference", ""): ["are the same", "different prompts", "another prompt", "rejected is missing"],
    ("preference", "text"): ["there is no prompt"],
    ("preference", "implicit text"): ["there is no prompt", "different prompts", "does not end with a reply"],
    ("helpsteer3", ""): ["no label", "between -3 and 3: 4", "response1 is missing", "calls of tools"],
    ("helpsteer2", ""): ["no label", "between -3 and 3: -4", "prompt is missing"],
    ("ultrafeedback", ""): ["3 and 4.5", "score is missing", "are the same", "does not end with a reply"],
    ("ultrafeedback", "implicit prompt"): ["there is no prompt"],
    ("nectar", ""): ["are the same", "two or more", "no rank", "no text"],
    ("ppe", ""): ["no label", "winner is unknown: 'model_c'", "response_2 is missing", "id is missing"],
    ("rewardbench", ""): ["are the same", "rejected is missing", "id is missing"],
    ("rewardbench", "second"): ["are the same", "empty list", "chosen is missing"],
}
#: Files of exactly these forms.
FILES = [(name, kind) for name in ALL for kind in ("jsonl", "parquet")]


def write_rows(folder: Path, rows: Rows, schema: pa.Schema | None, name: str = "train") -> RawTablesDataset:
    """Raw rows as Parquet of a schema, or as JSON lines without one."""
    if schema is None:
        lines = [json.dumps(row) + "\n" for row in rows]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / f"{name}.parquet")
    return RawTablesDataset(filepath=str(folder / name))


def parse(
    folder: Path, rows: Rows, schema: pa.Schema | None = None, **params: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    config = LENIENT.model_copy(update=params)
    battles, rejected = parse_train_battles(write_rows(folder, rows, schema).load(), config)
    return Battles.validate(battles), RejectedRows.validate(rejected)


def as_expected(battles: pd.DataFrame) -> Expected:
    """Prompt, better and worse response of each battle that is no tie."""
    expected = {}
    for row in battles[battles["label"] != 2].to_dict("records"):
        a, b = row["response_a"], row["response_b"]
        better, worse = (a, b) if row["label"] == 0 else (b, a)
        expected[row["id"]] = (list(row["prompt"]), list(better), list(worse))
    return expected


@pytest.mark.parametrize(
    ("name", "kind"), FILES, ids=lambda value: value if isinstance(value, str) else "-".join(value)
)
def test_each_row_becomes_its_battles_or_is_rejected_with_the_reason(
    name: tuple[str, str], kind: str, tmp_path: Path
) -> None:
    battles, rejected = parse(tmp_path, ALL[name], SCHEMAS[name] if kind == "parquet" else None)
    assert set(battles["format"]) == {name[0]}
    assert as_expected(battles) == BATTLES[name]
    assert set(battles.loc[battles["label"] == 2, "id"]) == TIES.get(name, set())
    for reason, part in zip(rejected["reason"], REASONS[name], strict=True):
        assert part in reason
    # What is left out by rule, and not for a fault of the file.
    left_out = set(rejected.loc[~rejected["is_fault"], "reason"])
    assert all("are the same" in reason or "calls of tools" in reason for reason in left_out)


def test_every_format_has_ten_examples_of_which_it_can_use_some() -> None:
    assert {name: len(rows) for name, rows in EXAMPLES.items()} == dict.fromkeys(EXAMPLES, 10)
    for (name, _), rows in ALL.items():
        assert find_format("train.jsonl", rows) is FORMATS[name]


def test_sides_are_the_same_whichever_response_is_the_better_one_and_on_every_machine() -> None:
    first, second = draw_sides(label_pair(["yes"], ["no"])), draw_sides(label_pair(["no"], ["yes"]))
    assert (first["response_a"], first["response_b"]) == (second["response_a"], second["response_b"])
    assert first["label"] == (*second["label"][1::-1], 0.0)
    drawn = [draw_sides(label_pair([f"better {number}"], ["worse"]))["label"][0] for number in range(8)]
    assert drawn == [0, 1, 1, 1, 0, 0, 1, 0]


def test_about_half_of_the_better_responses_are_a() -> None:
    drawn = [
        draw_sides({**label_pair([f"better {number}"], [f"worse {number}"]), "model_a": "ant", "model_b": "bee"})
        for number in range(4000)
    ]
    # Four standard deviations.
    assert abs(sum(battle["label"][0] for battle in drawn) / 4000 - 0.5) < 0.032
    for battle in drawn:
        is_better_first = battle["response_a"][0].startswith("better")
        assert battle["label"] == ((1, 0, 0) if is_better_first else (0, 1, 0))
        assert (battle["model_a"], battle["model_b"]) == (("ant", "bee") if is_better_first else ("bee", "ant"))


@pytest.mark.parametrize("name", ["preference", "ultrafeedback", "nectar", "rewardbench"])
def test_in_a_test_file_a_is_the_response_that_the_file_names_first(name: str, tmp_path: Path) -> None:
    rows: Rows = []
    for number in range(8):
        a, b = f"first {number}", f"second {number}"
        # Equal scores or ranks are a tie, and of Nectar's answers the first may be the worse one.
        columns = {
            "preference": {"prompt": "Why?", "chosen": a, "rejected": b},
            "ultrafeedback": {"prompt": "Why?", "chosen": messages("Why?", a), "rejected": messages("Why?", b)}
            | {"score_chosen": 8.0, "score_rejected": float(number)},
            "nectar": {"prompt": "Why?", "answers": [{"answer": a, "rank": 3}, {"answer": b, "rank": number}]},
            "rewardbench": {"prompt": "Why?", "chosen": a, "rejected": b, "subset": "made-up"},
        }
        rows.append({"id": str(number), **columns[name]})
    rows[-1] |= {"score_rejected": 8.0} if name == "ultrafeedback" else {}
    battles, rejected = parse_test_battles(write_rows(tmp_path, rows, None, "test").load(), LENIENT)
    assert rejected.empty
    assert set(battles["format"]) == {name}
    assert battles["response_a"].tolist() == [[f"first {number}"] for number in range(8)]
    assert battles["response_b"].tolist() == [[f"second {number}"] for number in range(8)]
    # The same rows as training battles have drawn sides.
    sides = parse(tmp_path, rows)[0]["response_a"].map(lambda turns: turns[0].split()[0])
    assert set(sides) == {"first", "second"}


def test_responses_that_have_sides_keep_them(tmp_path: Path) -> None:
    for name, columns in {
        "helpsteer3": ("response1", "response2"),
        "helpsteer2": ("response_1", "response_2"),
        "ppe": ("response_1", "response_2"),
    }.items():
        for row in parse(tmp_path, EXAMPLES[name])[0].to_dict("records"):
            raw = EXAMPLES[name][row["row"]]
            assert (row["response_a"][-1], row["response_b"][-1]) == tuple(raw[column] for column in columns)


def test_strengths_weigh_only_if_they_are_wanted(tmp_path: Path) -> None:
    for name in ("helpsteer3", "helpsteer2"):
        battles, _ = parse(tmp_path, EXAMPLES[name])
        assert "weight" not in battles
        battles, _ = parse(tmp_path, EXAMPLES[name], strength_weights=True)
        weights = battles.set_index("id")["weight"].fillna(1.0)
        assert weights["0"] == 3
        assert weights["1"] == weights["2"] == 1
    battles, _ = parse(tmp_path, EXAMPLES["preference"], strength_weights=True)
    # A margin of 0 or below says nothing of the strength.
    assert battles.set_index("id")["weight"].dropna().to_dict() == {"1": 2.5}


def test_descriptions_are_read(tmp_path: Path) -> None:
    helpsteer = parse(tmp_path, EXAMPLES["helpsteer3"])[0].set_index("id")
    assert helpsteer.loc[["1", "3", "4"], "category"].tolist() == ["stem", "multilingual", "code"]
    assert helpsteer.loc["3", "language"] == "french"
    # The programming language of code is none that people speak.
    assert pd.isna(helpsteer.loc["4", "language"])
    ppe = parse(tmp_path, EXAMPLES["ppe"])[0].set_index("id")
    assert ppe.loc["q0", ["model_a", "model_b", "language"]].tolist() == ["ant", "bee", "English"]
    assert ppe["tie_kind"].dropna().to_dict() == {"q2": "tie", "q3": "both bad"}
    rewardbench = parse(tmp_path, EXAMPLES["rewardbench"])[0].set_index("id")
    assert rewardbench.loc["made-up-hard/0", "category"] == "made-up-hard"
    for row in parse(tmp_path, EXAMPLES["nectar"])[0].to_dict("records"):
        if row["id"] == "0":
            assert row["model_a" if row["label"] == 0 else "model_b"] == "ant"


@pytest.mark.parametrize("name", ["ppe", "rewardbench"])
def test_benchmarks_are_refused_as_training_unless_they_are_allowed(name: str, tmp_path: Path) -> None:
    tables = write_rows(tmp_path, EXAMPLES[name], SCHEMAS[name, ""]).load()
    refusing = LENIENT.model_copy(update={"allow_benchmarks": False})
    with pytest.raises(ValueError, match=rf"train.parquet has the format {name}.*ingestion.allow_benchmarks=true"):
        parse_train_battles(tables, refusing)
    assert len(parse_train_battles(tables, LENIENT)[0])
    battles, repaired = parse_test_battles(write_rows(tmp_path, EXAMPLES[name][:6], None, "test").load(), refusing)
    assert len(battles) == 6
    assert repaired.empty


def test_labels_of_ai_judges_are_called_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert {name for name, form in FORMATS.items() if form.voters == "AI"} == {"ultrafeedback", "nectar"}
    with caplog.at_level(logging.WARNING):
        parse(tmp_path, EXAMPLES["nectar"])
    assert "train.jsonl: the labels are of AI judges" in caplog.text


@pytest.mark.parametrize("write", [json.dumps, str], ids=["json", "python"])
def test_messages_in_cells_of_csv_are_read_as_messages(write: Any, tmp_path: Path) -> None:
    row = {"chosen": write(messages("Why?", "Because.")), "rejected": write(messages("Why?", "No 'idea'."))}
    broken = {"chosen": write(messages("Why?", "Because."))[:-1], "rejected": write(reply("No idea."))}
    pd.DataFrame([row, broken]).to_csv(tmp_path / "train.csv", index=False)
    battles, rejected = parse_train_battles(RawTablesDataset(filepath=str(tmp_path / "train")).load(), LENIENT)
    assert as_expected(battles) == {"0": (WHY, ["Because."], ["No 'idea'."])}
    assert rejected["reason"].tolist() == ["chosen is neither JSON nor a Python list"]


def test_texts_that_utf8_cannot_hold_are_repaired(tmp_path: Path) -> None:
    cut = [
        {"prompt": "cut \ud83d", "chosen": "one \ud83d", "rejected": "two \ud83d"},
        {"prompt": messages("cut \ud83d"), "chosen": reply("one \ud83d"), "rejected": reply("two \ud83d")},
    ]
    battles, _ = parse(tmp_path, cut)
    assert as_expected(battles)["0"] == as_expected(battles)["1"] == (["cut \ufffd"], ["one \ufffd"], ["two \ufffd"])


def reject(folder: Path, row: dict[str, Any], good: dict[str, Any]) -> tuple[str, bool]:
    """Reason why a row beside a good one is rejected, and whether it is a fault."""
    _, rejected = parse(folder, [good, row])
    ((reason, is_fault),) = rejected[["reason", "is_fault"]].itertuples(index=False, name=None)
    return reason, is_fault


def test_successive_replies_are_one_and_successive_messages_of_the_user_are_turns(tmp_path: Path) -> None:
    prompt = [{"role": "user", "content": "One."}, {"role": "user", "content": "Two?"}]
    chosen = [{"role": "assistant", "content": "Wait."}, {"role": "assistant", "content": "2"}]
    battles, _ = parse(tmp_path, [{"prompt": prompt, "chosen": chosen, "rejected": reply("3")}])
    assert as_expected(battles) == {"0": (["One.", "Two?"], [None, "Wait.\n\n2"], [None, "3"])}


@pytest.mark.parametrize(
    ("name", "number", "change"),
    [
        (("preference", ""), 0, {"rejected": reply(None)}),
        (("preference", ""), 0, {"prompt": messages("Why?", ""), "rejected": reply(None)}),
        (("ultrafeedback", ""), 0, {"chosen": messages("Why?", None)}),
        (("helpsteer3", ""), 0, {"response1": ["First.", None], "response2": []}),
        (("helpsteer3", ""), 0, {"response2": [None]}),
        (("helpsteer2", ""), 0, {"response_1": [None]}),
        (("ppe", ""), 0, {"response_1": [None]}),
        (("ppe", ""), 0, {"response_2": ["First.", None]}),
        (("rewardbench", "second"), 1, {"rejected": ["Car", None]}),
    ],
)
def test_a_pair_without_a_last_reply_is_rejected(
    name: tuple[str, str], number: int, change: dict[str, Any], tmp_path: Path
) -> None:
    good = ALL[name][number]
    reason, is_fault = reject(tmp_path, {**good, **change}, good)
    assert "does not end with a reply" in reason or "null" in reason
    assert is_fault


def test_contents_are_texts_or_blocks(tmp_path: Path) -> None:
    blocks = [{"type": "text", "text": "Why?"}, {"type": "text", "text": "How?"}]
    row = {"prompt": messages(blocks), "chosen": reply([{"type": "text", "text": "So."}]), "rejected": reply("No.")}
    battles, _ = parse(tmp_path, [row])
    assert as_expected(battles) == {"0": (["Why?\n\nHow?"], ["So."], ["No."])}


@pytest.mark.parametrize("write", [list, json.dumps])
@pytest.mark.parametrize(
    ("name", "column"),
    [
        *(("preference", column) for column in ("prompt", "chosen", "rejected")),
        *(("ultrafeedback", "chosen"), ("helpsteer3", "context"), ("nectar", "prompt")),
    ],
)
def test_pairs_with_media_or_calls_of_tools_are_left_out_by_rule(
    name: str, column: str, write: Any, tmp_path: Path
) -> None:
    good = EXAMPLES[name][0]
    role = "assistant" if column in ("chosen", "rejected") else "user"
    image = {"role": role, "content": [{"type": "image", "image": "cat.png"}]}
    tool = {"role": "tool", "content": "42"}
    for message, part in ((image, "images"), (tool, "calls of tools")):
        reason, is_fault = reject(tmp_path, {**good, column: write([*messages("Why?"), message])}, good)
        assert part in reason
        assert not is_fault


def test_an_unknown_role_is_a_fault(tmp_path: Path) -> None:
    good = EXAMPLES["helpsteer3"][0]
    reason, is_fault = reject(tmp_path, {**good, "context": [{"role": "narrator", "content": "Once"}]}, good)
    assert "context is a list with an unknown role: 'narrator'" in reason
    assert is_fault


def test_equal_answers_cost_only_their_own_battle(tmp_path: Path) -> None:
    answers = [{"answer": text, "model": None, "rank": rank} for rank, text in enumerate("abbc")]
    battles, rejected = parse(tmp_path, [{"prompt": "Why?", "answers": answers}])
    assert as_expected(battles) == {"0-0": (WHY, ["a"], ["b"]), "0-1": (WHY, ["b"], ["c"])}
    assert rejected.empty
