"""From the Hub to a scored submission, as a competitor types it."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from arena_preference.battles import LABEL_COLUMNS
from tests.pipelines.download.conftest import HUB_TOKEN, serve


@pytest.mark.slow
def test_battles_of_the_hub_become_a_scored_submission(
    kedro,
    newest: Callable[[Path, str], Path],
    raw_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folders = f"--params=raw_dir={tmp_path / 'raw'},data_root={tmp_path / 'data'}"
    size = ",download.hub.test_battles=50"
    with serve({"train.csv": (raw_dir / "train.csv").read_bytes()}) as server:
        environment = {"HF_ENDPOINT": server.address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hub")}
        for name, value in {**environment, "HF_TOKEN": HUB_TOKEN}.items():
            monkeypatch.setenv(name, value)
        refused = kedro("run", "--pipelines=download", folders + size, check=False)
        assert refused.returncode != 0
        assert "train.csv has 240 battles, but 57477 are expected" in refused.stdout + refused.stderr
        done = kedro("run", "--pipelines=download", f"{folders}{size},download.train_rows=240")
    assert "train.csv has the SHA-256" in done.stdout
    said = "".join([refused.stdout, refused.stderr, done.stdout, done.stderr])
    # No token, and no address that is signed for its owner.
    assert not [secret for secret in (HUB_TOKEN, "s3cret") if secret in said]
    held_out = pd.read_csv(tmp_path / "raw" / "test_labels.csv")
    assert len(held_out) == 50
    assert held_out.columns.tolist() == ["id", *LABEL_COLUMNS]
    assert json.loads((tmp_path / "raw" / "download.json").read_text())["rows"]["test"] == 50

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    kedro("run", "--env=test", folders)
    kedro("run", "--env=test", "--pipelines=evaluation", folders)
    scores = json.loads(newest(tmp_path / "data", "08_reporting/submission_metrics.json").read_text())
    assert scores["battles"] == 50
    assert 0.7 < scores["log_loss"]["value"] < 1.3
