"""What becomes of the files."""

import hashlib
import io
import json
import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from kedro.io.core import DatasetError

from arena_preference.pipelines.download import nodes
from arena_preference.pipelines.download.options import DownloadOptions

from .conftest import make_train

PROJECT = Path(__file__).parents[3]
TRAIN = make_train(600)
TEST = b'id,prompt,response_a,response_b\n7,"[""A?""]","[""B""]","[null]"\n'


@pytest.fixture
def options() -> DownloadOptions:
    parameters = yaml.safe_load((PROJECT / "conf/base/parameters_download.yml").read_text())["download"]
    known = {"train_rows": 600, "train_sha256": hashlib.sha256(TRAIN).hexdigest()[:8].upper()}
    return DownloadOptions(**{**parameters, **known})


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The files that both sources have; the clients are tested by themselves."""
    files = {"train.csv": TRAIN, "test.csv": TEST}

    def fetch(_: object, name: str) -> Path:
        (tmp_path / name).write_bytes(files[name])
        return tmp_path / name

    monkeypatch.setattr(nodes, "fetch_from_hub", fetch)
    monkeypatch.setattr(nodes, "fetch_from_kaggle", fetch)
    return files


def read(content: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)


def test_kaggle_has_both_files_and_no_verdicts_of_the_test(sources: dict[str, Any], options: DownloadOptions) -> None:
    train, test, labels, summary = nodes.download_battles(options.model_copy(update={"source": "kaggle"}), 0)
    pd.testing.assert_frame_equal(train.sort_index(axis=1), read(TRAIN).sort_index(axis=1), check_dtype=False)
    assert test.to_numpy().tolist() == read(TEST).to_numpy().tolist()
    assert labels.columns.tolist() == ["id", "winner_model_a", "winner_model_b", "winner_tie"]
    assert labels.empty
    assert summary["name"] == "llm-classification-finetuning"
    assert summary["sha256"] == {
        "train.csv": hashlib.sha256(TRAIN).hexdigest(),
        "test.csv": hashlib.sha256(TEST).hexdigest(),
    }
    assert summary["rows"] == {"train": 600, "test": 1, "test_labels": 0}


def test_the_hubs_battles_are_parted_by_prompt_and_the_verdicts_kept_aside(
    sources: dict[str, Any], options: DownloadOptions, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        train, test, labels, summary = nodes.download_battles(options, 0)
    assert caplog.messages == []
    assert len(test) == len(labels) == 60
    assert test.columns.tolist() == ["id", "prompt", "response_a", "response_b"]
    assert not set(train["prompt"]) & set(test["prompt"])
    assert set(train["id"]) | set(test["id"]) == set(read(TRAIN)["id"])
    verdicts = read(TRAIN).set_index("id").loc[test["id"]].reset_index()[labels.columns]
    assert labels.to_numpy().tolist() == verdicts.to_numpy().tolist()
    assert summary["rows"] == {"train": 540, "test": 60, "test_labels": 60}
    json.dumps(summary)
    again = nodes.download_battles(options, 0)[1]
    pd.testing.assert_frame_equal(again, test)
    assert nodes.download_battles(options, 1)[1]["id"].tolist() != test["id"].tolist()


def test_another_training_file_is_used_with_a_warning(
    sources: dict[str, Any], options: DownloadOptions, caplog: pytest.LogCaptureFixture
) -> None:
    sources["train.csv"] = make_train(500)
    nodes.download_battles(options, 0)
    assert "train.csv has 500 battles, and not 600" in caplog.text
    assert "the known one begins with" in caplog.text


def test_what_is_unknown_is_not_compared(
    sources: dict[str, Any], options: DownloadOptions, caplog: pytest.LogCaptureFixture
) -> None:
    sources["train.csv"] = make_train(500)
    with caplog.at_level(logging.WARNING):
        nodes.download_battles(options.model_copy(update={"train_rows": None, "train_sha256": None}), 0)
    assert caplog.messages == []


def test_a_file_that_is_no_table_of_battles_is_refused(sources: dict[str, Any], options: DownloadOptions) -> None:
    sources["train.csv"] = b"<html>Sign in</html>\n"
    with pytest.raises(DatasetError, match=r"train\.csv"):
        nodes.download_battles(options, 0)


def test_prompts_that_are_no_lists_are_groups_by_their_text(sources: dict[str, Any], options: DownloadOptions) -> None:
    table = read(TRAIN)
    table.loc[:9, "prompt"] = "not a list"
    table.loc[10:19, "prompt"] = "[" * 5000
    table.loc[20:29, "prompt"] = "{}"
    sources["train.csv"] = table.to_csv(index=False).encode()
    for seed in range(5):
        train, test, *_ = nodes.download_battles(options, seed)
        assert not set(train["prompt"]) & set(test["prompt"])
