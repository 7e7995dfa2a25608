"""What the tests share: small battles made by hand, a small Kedro project, and a whole run's settings."""

import contextlib
import importlib
import io
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import settings
from kedro.framework import project as kedro_project
from kedro.framework.startup import bootstrap_project

from arena_preference.battles import LABEL_COLUMNS, SOFT_LABEL

# A law is tested on the same examples everywhere, and no test asserts a time.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")

# Nothing may reach a hub, and nothing is reported, whatever the machine's own settings are.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["KEDRO_DISABLE_TELEMETRY"] = "1"
# The tests run side by side, one process for each core: threads of their own would only be in each other's way.
os.environ["OMP_NUM_THREADS"] = "1"


# A job that a shell starts in the background ignores SIGINT, which the tests of interruptions send.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def battles(rng: np.random.Generator) -> pd.DataFrame:
    """240 battles in 80 prompt groups, in which the longer answer tends to win."""
    words = np.array(["the", "river", "runs", "down", "to", "the", "sea", "and", "keeps", "its", "name"])
    rows = []
    for number in range(240):
        lengths = rng.integers(1, 60, size=2)
        answers = [" ".join(rng.choice(words, size=length)) for length in lengths]
        edge = np.log(lengths[0] / lengths[1])
        weights = np.exp([edge, -edge, 0.0])
        rows.append(
            {
                "id": str(2**32 + 7 * number),
                "source": "train.csv",
                "format": "competition",
                "row": number,
                "prompt": [f"Question {number % 80}?"],
                "response_a": [answers[0]],
                "response_b": [answers[1]],
                "prompt_group": f"group-{number % 80}",
                "label": int(rng.choice(3, p=weights / weights.sum())),
            }
        )
    return pd.DataFrame(rows).astype({"label": "int8", "prompt_group": str})


@pytest.fixture
def labels(battles: pd.DataFrame) -> pd.DataFrame:
    """Their labels, with prompt groups in three folds; schema ``Labels``."""
    fold = battles["prompt_group"].str.removeprefix("group-").astype("int8") % 3
    votes = pd.DataFrame(np.eye(3)[battles["label"]], columns=[f"{SOFT_LABEL}{name}" for name in LABEL_COLUMNS])
    columns = battles[["id", "source", "prompt_group", "label"]]
    return columns.join(votes).assign(weight=1.0, fold=fold)


@pytest.fixture
def model_input(battles: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Features of these battles: one that decides, some that do not."""
    a, b = (battles[column].map(lambda turns: len(turns[0])) for column in ("response_a", "response_b"))
    noise = rng.normal(size=(len(battles), 3)).astype("float32")
    return pd.DataFrame(
        {
            "id": battles["id"],
            "characters__reldiff": ((a - b) / (a + b)).astype("float32"),
            "characters__sum": (a + b).astype("float32"),
            "chance__diff": noise[:, 0],
            "chance__pair": noise[:, 1],
            "chance__prompt": noise[:, 2],
        }
    )


@pytest.fixture
def make_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Make a disk of so many bytes, or change the size of the one that was made."""
    folder = tmp_path / "disk"

    def make(size: int) -> Path:
        again = "remount," if folder.exists() else ""
        folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"{again}size={size}", "tmpfs", folder]
        if subprocess.run(command, capture_output=True).returncode:
            folder.rmdir()
            pytest.skip("only an administrator may mount a small disk")
        return folder

    yield make
    if folder.exists():
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def small_disk(make_disk: Callable[[int], Path]) -> Path:
    """A disk of 64 KiB."""
    return make_disk(2**16)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the faults that were tried, with those that were survived counted."""
    survived, fatal = (
        [
            value
            for report in terminalreporter.getreports(outcome)
            if report.when == "call"
            for name, value in report.user_properties
            if name == "fault"
        ]
        for outcome in ("passed", "failed")
    )
    if survived or fatal:
        terminalreporter.section("faults")
        for outcome, faults in (("survived", survived), ("NOT SURVIVED", fatal)):
            for fault in faults:
                terminalreporter.write_line(f"{outcome}: {fault}")
        terminalreporter.write_line(f"{len(survived)} of {len(survived) + len(fatal)} faults were survived.")


class SmallProject:
    """A copy of ``small_project``, a Kedro project that has nothing of this one but its hooks and commands.

    Numbers are doubled, the doubles added, and the sum is written out.
    """

    def __init__(self, folder: Path, origin: Path = Path(__file__).parent / "small_project") -> None:
        self.folder = folder
        shutil.copytree(origin, folder, dirs_exist_ok=True)
        (folder / "conf" / "local").mkdir(exist_ok=True)
        (folder / "conf" / "local" / "credentials.yml").write_text("store: {key: open sesame}")

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a kedro command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "kedro", *arguments],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def call(self, *arguments: str, ends_with: int = 0, **environment: str) -> str:
        """Run a kedro command in a process of its own and return what it printed."""
        process = self.start(*arguments, **environment)
        printed, _ = process.communicate(timeout=120)
        assert process.returncode == ends_with, printed
        return printed

    def invoke(self, *arguments: str, ends_with: int = 0) -> str:
        """Run a kedro command in this process and return what it printed and logged."""
        path, package = list(sys.path), kedro_project.PACKAGE_NAME
        logger, log = logging.getLogger("arena_preference.lineage"), io.StringIO()
        handler, level = logging.StreamHandler(log), logger.level
        try:
            metadata = bootstrap_project(self.folder)
            logger.addHandler(handler)
            logger.setLevel(logging.DEBUG)
            with contextlib.chdir(self.folder):
                cli = importlib.import_module("small.cli").cli
                result = CliRunner().invoke(cli, arguments, obj=metadata)
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            sys.path[:] = path
            if package:
                kedro_project.configure_project(package)
        printed = f"{result.output}{log.getvalue()}{result.exception or ''}"
        assert result.exit_code == ends_with, printed
        return printed

    def manifests(self) -> list[dict[str, Any]]:
        """Return the manifests, from the oldest to the newest."""
        return [json.loads(path.read_text()) for path in sorted((self.folder / "data/runs").glob("*.json"))]

    def version(self, dataset: str, run_id: str) -> Path:
        """Return the path of a version."""
        return self.folder / "data" / dataset / run_id / dataset


@pytest.fixture(scope="session")
def small_project_type() -> type[SmallProject]:
    return SmallProject


@pytest.fixture
def project(tmp_path: Path) -> SmallProject:
    return SmallProject(tmp_path)
