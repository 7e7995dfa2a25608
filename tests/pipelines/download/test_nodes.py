"""What becomes of the files, fetched with the official clients."""

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from arena_preference.datasets import RawTable
from arena_preference.pipelines.download.clients import DownloadError
from arena_preference.pipelines.download.config import DownloadConfig
from arena_preference.pipelines.download.nodes import download_battles, hold_out_groups
from arena_preference.pipelines.ingestion.config import IngestionConfig
from arena_preference.pipelines.ingestion.parsing import parse_test_battles, parse_train_battles

from .conftest import StandIn, make_table

PROJECT = Path(__file__).parents[3]
VERDICTS = ["id", "winner_model_a", "winner_model_b", "winner_tie"]

MakeOptions = Callable[..., DownloadConfig]

# Kaggle's client leaves connections open after an error.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def read(table: pd.DataFrame) -> tuple[list[RawTable], IngestionConfig]:
    """What ingestion reads of a table that was written to a file."""
    rows = table.to_dict(orient="records")
    parameters = yaml.safe_load((PROJECT / "conf/base/parameters_ingestion.yml").read_text())["ingestion"]
    return [RawTable("train.csv", "train.csv", rows, rows)], IngestionConfig(**{**parameters, "max_rejected": 1})


def parse(table: pd.DataFrame) -> pd.DataFrame:
    return parse_train_battles(*read(table))[0]


def test_the_parameters_name_a_commit_and_what_is_known_of_the_file() -> None:
    parameters = yaml.safe_load((PROJECT / "conf/base/parameters_download.yml").read_text())["download"]
    options = DownloadConfig(**parameters)
    assert len(options.hub.revision) == 40
    assert options.train_rows == 57_477
    assert (options.train_sha256 or "").startswith("0692154a")


def test_kaggle_has_both_files_and_no_verdicts_of_the_test(
    kaggle: StandIn, make_options: MakeOptions, table: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        train, test, labels, summary = download_battles(make_options("kaggle"), 0)
    assert caplog.messages == []
    # Column by column and in the order of the competition, so that the file written from it is the same.
    pd.testing.assert_frame_equal(train, table, check_dtype=False)
    pd.testing.assert_frame_equal(test, table.loc[:2, test.columns], check_dtype=False)
    assert test.columns.tolist() == ["id", "prompt", "response_a", "response_b"]
    assert labels.columns.tolist() == VERDICTS
    assert labels.empty
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in kaggle.files.items()}
    rows = {"train": 240, "test": 3, "test_labels": 0}
    assert summary == {"source": "kaggle", "name": "acme", "sha256": hashes, "rows": rows}


def test_of_the_hubs_battles_as_many_as_asked_for_become_the_test_and_their_verdicts_are_kept_aside(
    hub: StandIn, make_options: MakeOptions, table: pd.DataFrame
) -> None:
    train, test, labels, summary = download_battles(make_options("hub", test_battles=39), 0)
    assert len(test) == len(labels) == 39
    assert test.columns.tolist() == ["id", "prompt", "response_a", "response_b"]
    assert labels.columns.tolist() == VERDICTS
    assert train.columns.tolist() == table.columns.tolist()
    by_id = table.set_index("id")
    assert labels["id"].tolist() == test["id"].tolist()
    for part in (train, test, labels):
        values = part.set_index("id")
        pd.testing.assert_frame_equal(values, by_id.loc[values.index, values.columns], check_dtype=False)
    assert sorted([*train["id"], *test["id"]]) == sorted(table["id"])
    assert summary["rows"] == {"train": 201, "test": 39, "test_labels": 39}
    json.dumps(summary)


def test_no_prompt_is_on_both_sides_and_every_battle_held_out_can_be_scored(table: pd.DataFrame) -> None:
    train, held_out = hold_out_groups(table, 60, 0)
    trained = parse(train)
    predicted, mended = parse_test_battles(*read(held_out))
    assert mended.empty
    assert len(parse(held_out)) == len(predicted) == 60
    assert not set(trained["prompt_group"]) & set(predicted["prompt_group"])


def test_the_seed_alone_decides_what_is_held_out(table: pd.DataFrame) -> None:
    draws = [hold_out_groups(table, 60, seed)[1]["id"].tolist() for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_where_no_group_fits_a_few_battles_less_are_held_out() -> None:
    # Two thirds of the groups hold three usable battles, and no group holds one.
    table = make_table(33).assign(response_b='["No"]')
    assert len(hold_out_groups(table, 10, 0)[1]) == 9


@pytest.mark.parametrize("size", [218, 219, 10_000])
def test_more_battles_than_there_are_cannot_be_held_out(table: pd.DataFrame, size: int) -> None:
    usable = len(parse(table))
    assert usable == 218
    with pytest.raises(ValueError, match=rf"test_battles={size} .* 218"):
        hold_out_groups(table, size, 0)


@pytest.mark.parametrize("source", ["hub", "kaggle"])
def test_a_file_of_other_content_is_used_with_a_warning(
    source: str, request: pytest.FixtureRequest, make_options: MakeOptions, caplog: pytest.LogCaptureFixture
) -> None:
    server, options = request.getfixturevalue(source), make_options(source)
    server.files["train.csv"] = changed = server.files["train.csv"].replace(b"Yes", b"Nay")
    train, *_ = download_battles(options, 0)
    assert train["response_a"].str.contains("Nay").all()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert hashlib.sha256(changed).hexdigest() in warnings[0]
    assert options.train_sha256 in warnings[0]


@pytest.mark.parametrize("source", ["hub", "kaggle"])
def test_a_file_of_another_length_is_rejected_until_it_is_accepted(
    source: str, request: pytest.FixtureRequest, make_options: MakeOptions
) -> None:
    server, options = request.getfixturevalue(source), make_options(source)
    server.files["train.csv"] = make_table(210).to_csv(index=False).encode()
    with pytest.raises(DownloadError, match=r"train\.csv has 210 battles.* 240 .*download.train_rows=210\."):
        download_battles(options, 0)
    train, test, *_ = download_battles(options.model_copy(update={"train_rows": 210, "train_sha256": None}), 0)
    assert len(train) + len(test) == {"hub": 210, "kaggle": 213}[source]


@pytest.mark.parametrize("source", ["hub", "kaggle"])
@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"<html>\nSign in</html>\n", "lacks the columns id, prompt"), (b"", "is empty")],
)
def test_a_file_that_is_not_a_table_of_battles_is_rejected_and_removed(
    source: str, content: bytes, complaint: str, request: pytest.FixtureRequest, make_options: MakeOptions
) -> None:
    server = request.getfixturevalue(source)
    whole, server.files["train.csv"] = server.files["train.csv"], content
    with pytest.raises(DownloadError, match=rf"train\.csv.*{complaint}.* Start again"):
        download_battles(make_options(source), 0)
    server.files["train.csv"] = whole
    assert len(download_battles(make_options(source), 0)[0]) in (201, 240)
