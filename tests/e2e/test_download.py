"""From the Hub to a scored submission, as a competitor types it."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.pipelines.download.conftest import start_server  # noqa: F401


def test_battles_of_the_hub_become_a_scored_submission(
    kedro,
    newest,
    raw_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start_server,  # noqa: F811
) -> None:
    server = start_server({"train.csv": (raw_dir / "train.csv").read_bytes()})
    for name, value in {"HF_ENDPOINT": server.address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hub")}.items():
        monkeypatch.setenv(name, value)
    folders = f"--params=raw_dir={tmp_path / 'raw'},data_root={tmp_path / 'data'}"
    done = kedro("run", "--pipelines=download", f"{folders},download.hub.test_share=0.2")
    assert "and not 57477. Is it the right file?" in done.stdout
    held_out = pd.read_csv(tmp_path / "raw" / "test_labels.csv")
    assert 20 < len(held_out) < 70
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    kedro("run", "--env=test", folders)
    kedro("run", "--env=test", "--pipelines=scoring", folders)
    scores = json.loads(newest(tmp_path / "data", "08_reporting/submission_scores.json").read_text())
    assert scores["battles"] == len(held_out)
    assert 0.7 < scores["log_loss"]["value"] < 1.3
    summary = json.loads((tmp_path / "raw" / "download.json").read_text())
    assert summary["rows"]["test"] == len(held_out)
