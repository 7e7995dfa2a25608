"""Further votes from the Hub: what may be trained on, and what is said of datasets that cannot be had."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from pydantic import ValidationError

from arena_preference.battles import prompt_group
from arena_preference.datasets import RawTablesDataset
from arena_preference.formats import read_as_text
from arena_preference.pipelines.download.clients import DownloadError, list_on_hub
from arena_preference.pipelines.download.config import DownloadConfig, FurtherDataset
from arena_preference.pipelines.download.nodes import download_battles
from arena_preference.pipelines.ingestion.config import IngestionConfig
from arena_preference.pipelines.ingestion.parsing import parse_test_battles, parse_train_battles

from .conftest import HUB_TOKEN, REVISION, StandIn, send_hub_client

PROJECT = Path(__file__).parents[3]
SHARDS = ["data/more-0.parquet", "data/more-1.parquet"]
MORE = {"dataset": "acme/more", "revision": None, "files": "data/more-*.parquet"}

MakeOptions = Callable[..., DownloadConfig]

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute:DeprecationWarning")


def make_rows(questions: range, of: str = "Question") -> pa.Table:
    """Rows in the plain form, with a column that no form knows and a row that ingestion rejects."""
    rows = [
        {
            "id": number,
            # As in the competition's file but for case and final punctuation, which prompt groups do not see.
            "prompt": [f"{of.upper()} {number}, \ufffd", "and then?"],
            "response_a": "Yes",
            "response_b": "No",
            "winner": "model_a" if number % 7 != 3 else "nobody",
            "scores": {"a": [1.5, None]},
        }
        for number in questions
    ]
    return pa.Table.from_pylist(rows)


def write(table: pa.Table) -> bytes:
    content = io.BytesIO()
    pq.write_table(table, content)
    return content.getvalue()


@pytest.fixture
def more(hub: StandIn) -> list[pa.Table]:
    """Two files of a dataset that asks 70 of the competition's 80 questions, and 10 others."""
    tables = [make_rows(range(40)), pa.concat_tables([make_rows(range(40, 70)), make_rows(range(80, 90), "Other")])]
    hub.listings["acme/more"] = ["README.md", "data/embeddings.npy", *reversed(SHARDS)]
    hub.files |= {Path(name).name: write(table) for name, table in zip(SHARDS, tables, strict=True)}
    return tables


@pytest.fixture
def options(make_options: MakeOptions) -> DownloadConfig:
    return make_options("hub", also=["more"], datasets={"more": MORE})


def test_the_datasets_of_the_configuration_are_pinned() -> None:
    parameters = yaml.safe_load((PROJECT / "conf/base/parameters_download.yml").read_text())["download"]
    options = DownloadConfig(**parameters)
    assert options.also == []
    assert {name: len(dataset.revision or "") for name, dataset in options.datasets.items()} == {
        "33k": 40,
        "100k": 40,
        "140k": 40,
    }


def test_a_further_table_has_the_rows_of_all_its_files_unchanged_but_for_the_prompts_held_out(
    hub: StandIn, options: DownloadConfig, more: list[pa.Table]
) -> None:
    tables, test, _, summary = download_battles(options, 0)
    assert list(tables) == ["55k.csv", "more.parquet"]
    held_out = {prompt_group(read_as_text(cell)) for cell in test["prompt"]}
    is_kept = [
        row["winner"] == "nobody" or prompt_group(row["prompt"]) not in held_out
        for row in pa.concat_tables(more).to_pylist()
    ]
    expected = pa.concat_tables(more).filter(pa.array(is_kept))
    kept = tables["more.parquet"].read_all()
    assert kept.equals(expected)
    assert 50 < len(kept) < 80
    assert len(tables["55k.csv"]) + len(test) == 240
    assert summary["also"] == {
        "more": {
            "name": f"acme/more@{REVISION}",
            "sha256": {name: hashlib.sha256(hub.files[Path(name).name]).hexdigest() for name in SHARDS},
            "rows": len(kept),
            "left_out": 80 - len(kept),
        }
    }
    json.dumps(summary)


def test_prompts_of_kaggles_test_file_are_left_out_too(
    kaggle: StandIn, options: DownloadConfig, more: list[pa.Table]
) -> None:
    tables, test, labels, _ = download_battles(options.model_copy(update={"source": "kaggle"}), 0)
    # The three rows of the test file have one prompt.
    assert (len(test), len(labels)) == (3, 0)
    assert tables["more.parquet"].read_all()["id"].to_pylist()[:3] == [1, 2, 3]


def test_without_further_datasets_there_is_one_table(hub: StandIn, make_options: MakeOptions) -> None:
    train, *_, summary = download_battles(make_options("hub", datasets={"more": MORE}), 0)
    assert isinstance(train, pd.DataFrame)
    assert "also" not in summary


@pytest.mark.parametrize("where", ["HF_TOKEN", "file"])
def test_a_gated_dataset_can_be_had_with_the_users_token(
    where: str,
    hub: StandIn,
    options: DownloadConfig,
    more: list[pa.Table],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub.gates["acme/more"] = {f"Bearer {HUB_TOKEN}"}
    if where == "file":
        monkeypatch.delenv("HF_TOKEN")
        (home / "token").write_text(HUB_TOKEN)
    assert set(download_battles(options, 0)[0]) == {"55k.csv", "more.parquet"}


@pytest.mark.parametrize(
    ("token", "remedy"),
    [
        (None, "401: log in with `hf auth login`, or put a token into HF_TOKEN; accept the terms on {}"),
        ("hf_another0account", r"403: accept the terms on {}, with the account of your token \(`hf auth whoami`\)"),
    ],
)
def test_a_gated_dataset_that_is_refused_says_what_to_do(
    token: str | None,
    remedy: str,
    hub: StandIn,
    options: DownloadConfig,
    more: list[pa.Table],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub.gates["acme/more"] = {f"Bearer {HUB_TOKEN}"}
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    else:
        monkeypatch.delenv("HF_TOKEN")
    remedy = remedy.format("huggingface.co/datasets/acme/more")
    with pytest.raises(DownloadError, match=rf"^data/more-0\.parquet of acme/more .* {remedy}") as caught:
        download_battles(options, 0)
    assert "s3cret" not in str(caught.value)
    assert token is None or token not in str(caught.value)


def test_a_dataset_that_is_not_there_says_so(hub: StandIn, options: DownloadConfig) -> None:
    with pytest.raises(DownloadError, match=r"files of acme/more .*404: check its name and revision"):
        download_battles(options, 0)


def test_a_server_without_lists_is_told_from_a_hub(hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    send_hub_client(monkeypatch, f"{hub.address}/page")
    with pytest.raises(DownloadError, match=r"files of acme/more .* HF_ENDPOINT"):
        list_on_hub(FurtherDataset(**MORE))


def test_a_pattern_without_files_lists_those_there_are(hub: StandIn, options: DownloadConfig) -> None:
    hub.listings["acme/more"] = ["README.md", "train.parquet"]
    with pytest.raises(
        DownloadError, match=rf"acme/more has no file data/more.* {REVISION}\. It has: README\.md, train"
    ):
        download_battles(options, 0)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"<html>", r"more-1\.parquet of acme/more@a+ cannot be read.*not a Parquet file.*removed from the cache"),
        (write(pa.table({"question": ["Why?"]})), r"more-1\.parquet of .* columns are: question.*download\.also"),
        (
            write(make_rows(range(3)).drop_columns("scores")),
            r"more-0\.parquet, data/more-1\.parquet .* differ in their col",
        ),
    ],
)
def test_a_file_that_cannot_be_filtered_is_named(
    content: bytes, complaint: str, hub: StandIn, options: DownloadConfig, more: list[pa.Table]
) -> None:
    hub.files["more-1.parquet"] = content
    with pytest.raises(DownloadError, match=complaint):
        download_battles(options, 0)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"also": ["mroe"]}, "mroe, which download.datasets lacks. It has: more"),
        ({"datasets": {"55k": MORE}}, "has the name 55k"),
        ({"datasets": {"../more": MORE}}, "pattern"),
        ({"datasets": {"more": {**MORE, "files": "*"}}}, "pattern"),
    ],
)
def test_names_and_patterns_are_checked(changes: dict[str, object], complaint: str, make_options: MakeOptions) -> None:
    with pytest.raises(ValidationError, match=complaint):
        make_options("hub", **{"datasets": {"more": MORE}, **changes})


def test_the_folder_train_holds_all_files_and_is_read_as_they_are(
    hub: StandIn, options: DownloadConfig, more: list[pa.Table], tmp_path: Path
) -> None:
    parameters = {"raw_dir": str(tmp_path / "raw"), "data_root": str(tmp_path / "data")}
    bootstrap_project(PROJECT)
    # A name that the configuration has, as --params requires.
    download = {**options.model_dump(), "also": ["33k"], "datasets": {"33k": MORE}}
    for _ in range(2):
        with KedroSession.create(PROJECT, env="test", runtime_params={**parameters, "download": download}) as session:
            session.run(pipeline_names=["download"])
    names = sorted(path.relative_to(tmp_path / "raw").as_posix() for path in (tmp_path / "raw").rglob("*.*"))
    assert names == ["download.json", "test.csv", "test_labels.csv", "train/33k.parquet", "train/55k.csv"]
    summary = json.loads((tmp_path / "raw/download.json").read_text())
    further, own = train = RawTablesDataset(filepath=str(tmp_path / "raw/train")).load()
    assert (own.name, len(own.rows)) == ("55k.csv", summary["rows"]["train"])
    assert (further.name, len(further.rows)) == ("33k.parquet", summary["also"]["33k"]["rows"])
    assert further.rows[0]["scores"] == {"a": [1.5, None]}
    parameters = yaml.safe_load((PROJECT / "conf/base/parameters_ingestion.yml").read_text())["ingestion"]
    config = IngestionConfig(**{**parameters, "max_rejected": 1})
    trained, _ = parse_train_battles(train, config)
    predicted, _ = parse_test_battles(RawTablesDataset(filepath=str(tmp_path / "raw/test")).load(), config)
    assert set(trained["source"]) == {"55k.csv", "33k.parquet"}
    assert not set(trained["prompt_group"]) & set(predicted["prompt_group"])
