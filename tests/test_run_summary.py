"""The summary at the end of a run."""

import logging
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog, MemoryDataset

from arena_preference.run_summary import SummaryHooks

METRICS = {
    "log_loss": {"value": 0.98765, "low": 0.97, "high": 1.01},
    "accuracy": {"value": 0.51, "low": 0.5, "high": 0.52},
    "prior_log_loss": {"value": 1.0972, "low": 1.09, "high": 1.1},
    "length_log_loss": {"value": 1.0512, "low": 1.04, "high": 1.06},
    "battles": 57477,
}


def log_summary(caplog: pytest.LogCaptureFixture, **written: str) -> str:
    """Return what is logged after a run that wrote these datasets, by name and path."""
    manifest: dict[str, Any] = {"written": {name: {"path": path} for name, path in written.items()}}
    runs = MemoryDataset({"1": lambda: manifest}, copy_mode="assign")
    catalog = DataCatalog({"runs": runs, "metrics": MemoryDataset(METRICS)})
    with caplog.at_level(logging.INFO, "arena_preference"):
        SummaryHooks().after_pipeline_run({"run_id": "1"}, catalog)
    return caplog.text


def test_metrics_are_logged_with_intervals_and_baselines(caplog: pytest.LogCaptureFixture) -> None:
    text = log_summary(caplog, metrics="data/metrics.json")
    for expected in ("0.9877 [0.9700, 1.0100]", "57,477 battles", "1.0972", "1.0512", "0.5100 [0.5000, 0.5200]"):
        assert expected in text
    assert "kedro viz" not in text


def test_paths_of_outputs_are_relative_inside_the_working_directory(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    inside, outside = tmp_path / "project" / "data" / "report.html", tmp_path / "submission.csv"
    lines = log_summary(caplog, report=str(inside), submission=str(outside), labels="data/labels").splitlines()
    titles = {line.split()[0]: line.split()[1] for line in lines if line.startswith(("Report", "Submission"))}
    assert titles == {"Report": "data/report.html", "Submission": str(outside)}
    assert any("kedro viz" in line for line in lines)
    assert not any("0.9877" in line or "labels" in line for line in lines)


def test_a_run_without_main_outputs_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert log_summary(caplog, train_battles="data/train_battles.parquet") == ""
