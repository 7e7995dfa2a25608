"""Files with rows that no form foresees: what cannot be used is rejected, and nothing is lost."""

import copy
import io
import json
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kedro.io.core import DatasetError

from arena_preference.battles import Battles, RejectedRows
from arena_preference.datasets import RawTable, RawTablesDataset
from arena_preference.formats.cells import repair_text
from arena_preference.pipelines.ingestion.config import IngestionConfig
from arena_preference.pipelines.ingestion.parsing import parse_test_battles, parse_train_battles

from . import examples_pairs
from .examples import EXAMPLES, Row

MakeConfig = Callable[..., IngestionConfig]
Parse = Callable[[list[RawTable], IngestionConfig], tuple[pd.DataFrame, pd.DataFrame]]


ALL_EXAMPLES = {**EXAMPLES, **examples_pairs.EXAMPLES}


def nest(depth: int, make: Callable[[Any], Any]) -> Any:
    value = None
    for _ in range(depth):
        value = make(value)
    return value


ODD = st.sampled_from(
    [
        *(None, True, False, 0, -1, 7, 2**70, 10**400, 0.5, 1e308, float("nan"), float("inf"), -0.0),
        *("", " ", "\0", "\ud83d", "\u2028", "nan", "null", "[]", "{}", "[null]", "1_0", "'\\d'", "١", "a" * 100_000),
        *("model_a", "tie", "both_bad", "user", "text", "true", "{1: True}", "{'sampled': False}"),
        *([], {}, [None], [[]], [{}], {"": None}, {"role": "user"}, {"\ud83d": True}, {"a": {"b": {"c": True}}}),
        *(nest(150, lambda value: [value]), nest(150, lambda value: {"a": value}), "[" * 5_000),
    ]
).map(copy.deepcopy)
VALUES = ODD | st.text(st.characters(exclude_categories=[]), max_size=20) | st.floats() | st.integers()


def list_places(value: Any) -> list[tuple[Any, Any]]:
    """Containers in a value with each of their keys or positions."""
    places: list[tuple[Any, Any]] = []
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            places += [(value, key), *list_places(value[key])]
    return places


@st.composite
def mutated_rows(draw: st.DrawFn, name: str) -> list[Row]:
    # Not a copy, in which rows would still share what they have in common.
    rows: list[Row] = json.loads(json.dumps(ALL_EXAMPLES[name]))
    for _ in range(draw(st.integers(1, 8))):
        row = draw(st.sampled_from(rows))
        container, key = draw(st.sampled_from([(row, "new"), *list_places(row)]))
        change = draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "replace":
            container[key] = draw(VALUES)
        elif change == "remove" and key != "new":
            del container[key]
        elif isinstance(container, dict):
            container[draw(st.sampled_from(["id", "question_id", "prompt", "winner", "turn", "\ud83d"]))] = draw(VALUES)
        else:
            container.insert(key, draw(VALUES))
    return draw(st.permutations(rows))


def parse_file(split: str, rows: list[Row], parse: Parse, config: IngestionConfig) -> tuple[list[Row], Any]:
    """Rows as they are read, and the result; None if the file is refused, with a message that names it."""
    read: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{split}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        try:
            tables = RawTablesDataset(filepath=path.as_posix()).load()
            read = tables[0].rows
            return read, parse(tables, config)
        except (ValueError, DatasetError) as error:
            # Not one of their subclasses, which say nothing to a user.
            if type(error) not in (ValueError, DatasetError) or path.name not in str(error):
                raise
            return read, None


def find_id(row: Row) -> Any:
    return row.get("id", row.get("question_id"))


def check_tables(battles: pd.DataFrame, rejected: pd.DataFrame) -> None:
    Battles.validate(battles)
    RejectedRows.validate(rejected)
    for table in (battles, rejected):
        table.to_parquet(io.BytesIO())


def check_train(rows: list[Row], make_config: MakeConfig) -> None:
    read, result = parse_file("train", rows, parse_train_battles, make_config(max_rejected=1, allow_benchmarks=True))
    if result is None:
        return
    battles, rejected = result
    check_tables(battles, rejected)
    assert len(read) == len(rows)
    assert battles["row"].nunique() + len(rejected) == len(rows)
    assert set(battles["source"]) | set(rejected["source"]) == {"train.jsonl"}
    left = [find_id(row) for number, row in enumerate(read) if number not in set(battles["row"])]
    assert Counter(rejected["id"].dropna()) == Counter(repair_text(str(raw)) for raw in left if raw is not None)


def check_test(rows: list[Row], make_config: MakeConfig) -> None:
    read, result = parse_file("test", rows, parse_test_battles, make_config())
    if result is None:
        return
    battles, rejected = result
    check_tables(battles, rejected)
    assert sorted(battles["row"]) == list(range(len(rows)))
    for number, battle_id, form in zip(battles["row"], battles["id"], battles["format"], strict=True):
        raw = find_id(read[number])
        expected = str(number) if raw is None else repair_text(str(raw).strip())
        # Ids that are not unique by themselves are joined with what makes them so.
        joined = {"arena": battle_id.startswith(f"{expected}:"), "rewardbench": battle_id.endswith(f"/{expected}")}
        assert battle_id == expected or joined.get(form)


@pytest.mark.parametrize("check", [check_train, check_test])
@pytest.mark.parametrize("name", ALL_EXAMPLES)
def test_a_file_is_refused_by_name_or_every_row_is_accounted_for(
    name: str, check: Callable[..., None], make_config: MakeConfig
) -> None:
    settings(max_examples=20)(given(mutated_rows(name))(lambda rows: check(rows, make_config)))()


@pytest.mark.parametrize("depth", [250, 950, 100_000])
def test_a_line_that_is_nested_too_deep_is_refused(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(EXAMPLES["plain"][0]) + '\n{"id": ' + "[" * depth + "]" * depth + "}\n")
    with pytest.raises(DatasetError, match=r"Line 2 of .*train\.jsonl"):
        RawTablesDataset(filepath=path.as_posix()).load()
