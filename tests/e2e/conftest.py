"""Whole runs: each is the command that a user types, in a process of its own."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def kedro() -> Run:
    """Run a kedro command, by default in the project folder."""

    def run(*arguments: str, cwd: Path = PROJECT, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "kedro", *arguments]
        done = subprocess.run(
            command,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=600,
        )
        # Kedro says of its own option --pipeline that it is deprecated; it is to go on working all the same.
        warned = [line for line in (done.stdout + done.stderr).splitlines() if "Warning:" in line]
        assert [line for line in warned if "'--pipeline' is deprecated" not in line] == []
        if check and done.returncode != 0:
            pytest.fail(
                f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            )
        return done

    return run


@pytest.fixture(scope="session")
def raw_dir(tmp_path_factory: pytest.TempPathFactory, kedro: Run) -> Path:
    """A folder with the battles that the pipeline ``simulation`` makes in env test."""
    folder = tmp_path_factory.mktemp("raw")
    data_root = tmp_path_factory.mktemp("simulated")
    kedro("run", "--env=test", "--pipelines=simulation", f"--params=raw_dir={folder},data_root={data_root}")
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, kedro: Run, raw_dir: Path) -> Path:
    """The data root of a plain ``kedro run``, with what it printed in run.log."""
    data_root = tmp_path_factory.mktemp("trained")
    done = kedro("run", "--env=test", f"--params=raw_dir={raw_dir},data_root={data_root}")
    (data_root / "run.log").write_text(done.stdout + done.stderr)
    return data_root


@pytest.fixture(scope="session")
def check_out(raw_dir: Path, trained: Path) -> Callable[[Path], Path]:
    """Copy the project into a folder, small: plain commands there mean env test, its battles and a trained run."""

    def copy(folder: Path) -> Path:
        for name in ("conf", "notebooks", "src"):
            shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
        for name in (".telemetry", "LICENSE", "README.md", "pyproject.toml"):
            shutil.copy(PROJECT / name, folder / name)
        shutil.rmtree(folder / "conf" / "local")
        shutil.copytree(folder / "conf" / "test", folder / "conf" / "local")
        shutil.copytree(trained, folder / "data")
        shutil.copytree(raw_dir, folder / "data" / "01_raw" / "demo")
        return folder

    return copy


@pytest.fixture(scope="session")
def newest() -> Callable[[Path, str], Path]:
    """Find the file of a versioned dataset's newest version: ``newest(data_root, "08_reporting/metrics.json")``."""
    return lambda data_root, dataset: max((data_root / dataset).iterdir()) / Path(dataset).name
