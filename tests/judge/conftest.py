"""A model trained on small battles, without an encoder."""

import subprocess
import sys
from pathlib import Path

import pytest

from arena_preference import Judge
from arena_preference.judge.predictor import FITTED

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a run in env test."""
    folder = tmp_path_factory.mktemp("judge")
    raw_dir, data_root = folder / "raw", folder / "data"
    common = [sys.executable, "-m", "kedro", "run", "--env=test"]
    outputs = ",".join([*FITTED, "metrics"])
    for options in (
        ["--pipelines=simulation", f"--params=raw_dir={raw_dir},data_root={folder / 'simulated'}"],
        [
            f"--to-outputs={outputs}",
            f"--params=raw_dir={raw_dir},data_root={data_root},embedding.encoder.enabled=false",
        ],
    ):
        subprocess.run([*common, *options], cwd=PROJECT, check=True, capture_output=True, timeout=300)
    return data_root


@pytest.fixture(scope="session")
def judge(data: Path) -> Judge:
    return Judge.load(data)
