"""Runs that are stopped at any instant, or find the disk full, lose nothing: the next run needs no help.

`make test` tries a few faults, `make faults` many. Each is drawn from a seed of its own, and all are listed at the end.
"""

import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project

from arena_preference.lineage.manifest import Manifest

PROJECT = Path(__file__).parents[2]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
STAGES = ("submission", "ingestion", "features", "embedding", "modelling", "reporting")
FAULTS = int(os.environ.get("FAULTS", len(SIGNALS)))
RUN_ID = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z")
BLOCK = 4096

pytestmark = pytest.mark.faults


@pytest.fixture(scope="session")
def undisturbed(trained: Path) -> Manifest:
    """The manifest of a run that was left alone."""
    (manifest,) = (trained / "08_reporting/runs").iterdir()
    return Manifest.model_validate_json(manifest.read_text())


@pytest.fixture
def recovers(kedro, newest, trained: Path, raw_dir: Path) -> Callable[[Path], None]:
    """Check that the next run, with nothing tidied up, ends as if there had been no fault."""

    def check(data_root: Path) -> None:
        kedro("run", "--env=test", f"--params=raw_dir={raw_dir},data_root={data_root}")
        submission = newest(data_root, "07_model_output/submission.csv").read_bytes()
        assert submission == newest(trained, "07_model_output/submission.csv").read_bytes()
        explained = {path.stem for path in (data_root / "08_reporting/runs").glob("*.json")}
        assert {path.name for path in data_root.rglob("*") if RUN_ID.fullmatch(path.name)} <= explained
        verified = kedro("runs", "verify", "--env=test", f"--params=data_root={data_root}")
        assert "Problems: 0." in verified.stdout

    return check


@pytest.mark.parametrize("seed", range(FAULTS))
def test_a_signal_at_any_instant_loses_nothing(
    recovers, trained: Path, raw_dir: Path, tmp_path: Path, record_property, seed: int
) -> None:
    # An instant is so many lines of the log and a little more, which does not depend on how busy the machine is.
    rng = random.Random(seed)  # noqa: S311
    number, line = SIGNALS[seed % len(SIGNALS)], rng.randrange(len((trained / "run.log").read_text().splitlines()))
    delay = rng.uniform(0, 0.5)
    parameters = f"--params=raw_dir={raw_dir},data_root={tmp_path}"
    command = [sys.executable, "-m", "kedro", "run", "--env=test", parameters]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert run.stdout is not None
        printed = list(itertools.islice(run.stdout, line))
        time.sleep(delay)
        run.send_signal(number)
        printed += run.stdout
    node = next((text.split(": ")[2] for text in reversed(printed) if "Running node" in text), "no node yet")
    statuses = [json.loads(path.read_text())["status"] for path in tmp_path.glob("08_reporting/runs/*.json")]
    record_property(
        "fault",
        f"{number.name} (seed {seed}: {delay:.2f} s after line {line}, in {node}); the run ended with "
        f"{run.returncode}, its manifest: {', '.join(statuses) or 'none'}",
    )
    recovers(tmp_path)


def list_nodes_of_stages() -> dict[str, str]:
    """Give the pipeline of each node. Submission is composed of others, and what is left to it is its own."""
    bootstrap_project(PROJECT)
    return {node.name: stage for stage in STAGES for node in pipelines[stage].nodes}


def count_written(manifest: Manifest) -> dict[str, int]:
    """Give the bytes that each node takes on a disk, in the order in which they run one after the other."""
    counted: set[str] = set()
    written = {}
    for node in manifest.nodes:
        sizes = {stored.path: stored.size for name in node.outputs if (stored := manifest.written.get(name))}
        # The store of embeddings has several names.
        written[node.name] = sum(-(-size // BLOCK) * BLOCK for path, size in sizes.items() if path not in counted)
        counted |= set(sizes)
    return written


@pytest.mark.parametrize("stage", STAGES if len(SIGNALS) < FAULTS else ["features", "modelling"])
def test_a_disk_that_becomes_full_in_a_stage_loses_nothing(
    kedro, recovers, make_disk, undisturbed: Manifest, raw_dir: Path, record_property, stage: str
) -> None:
    # There is room for all that is written before the stage's largest output, and for half of that one.
    written, stage_of = count_written(undisturbed), list_nodes_of_stages()
    largest = max((name for name in written if stage_of.get(name) == stage), key=lambda name: written[name])
    names = list(written)
    before = sum(written[name] for name in names[: names.index(largest)])
    data_root = make_disk(before + written[largest] // 2)
    done = kedro("run", "--env=test", f"--params=raw_dir={raw_dir},data_root={data_root}", check=False)
    record_property("fault", f"disk full in {stage}, in {largest}; the run ended with {done.returncode}")
    assert done.returncode == 1
    assert f"There is no room left below '{data_root}'" in done.stdout + done.stderr
    make_disk(2**28)
    recovers(data_root)
