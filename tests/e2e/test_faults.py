"""Runs that are killed at any instant, or fill their disk, lose nothing: the next run needs no clean-up.

`make test-all` tries two faults, `make faults` many. Each has a seed of its own, and all are listed at the end.
"""

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

from arena_preference.lineage.manifest import Manifest

PROJECT = Path(__file__).parents[2]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
STAGES = ("ingestion", "features", "embedding", "modelling", "reporting", "submission")
FAULTS = int(os.environ.get("FAULTS", "1"))
RUN_ID = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z")
BLOCK = 4096

pytestmark = [pytest.mark.slow, pytest.mark.faults]


@pytest.fixture(scope="session")
def undisturbed(trained: Path) -> Manifest:
    """The manifest of a run without faults."""
    (manifest,) = (trained / "08_reporting/runs").glob("*.json")
    return Manifest.model_validate_json(manifest.read_text())


@pytest.fixture
def recovers(kedro, newest, trained: Path, raw_dir: Path) -> Callable[[Path], None]:
    """Check that the next run, with nothing cleaned up, ends as if there had been no fault."""

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
    recovers, undisturbed: Manifest, raw_dir: Path, tmp_path: Path, record_property, seed: int
) -> None:
    # The instant is some time after a node is done, however long nodes take on a busy machine.
    rng = random.Random(seed)  # noqa: S311
    number, index = SIGNALS[seed % len(SIGNALS)], rng.randrange(len(undisturbed.nodes))
    node, done = undisturbed.nodes[index], undisturbed.nodes[index - 1].name if index else "number of nodes"
    delay = rng.uniform(0, (node.seconds or 0) + 0.1)
    command = [sys.executable, "-m", "kedro", "run", "--env=test", f"--params=raw_dir={raw_dir},data_root={tmp_path}"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert run.stdout is not None
        assert any(done in line for line in run.stdout)
        time.sleep(delay)
        run.send_signal(number)
        # The pipe is read to its end, so that the run cannot block on it.
        run.stdout.read()
    statuses = [json.loads(path.read_text())["status"] for path in tmp_path.glob("08_reporting/runs/*.json")]
    record_property(
        "fault",
        f"{number.name} (seed {seed}: {delay:.2f} s after the node before {node.name}); the run ended with "
        f"{run.returncode}, its manifest: {', '.join(statuses)}",
    )
    recovers(tmp_path)


def measure_nodes(manifest: Manifest) -> dict[str, int]:
    """Return the bytes that each node takes on a disk, its profile included, in the order in which nodes run."""
    counted: set[str] = set()
    written = {}
    for node in manifest.nodes:
        sizes = {stored.path: stored.size for name in node.outputs if (stored := manifest.written.get(name))}
        # The embedding store has several names.
        files = [size for path, size in sizes.items() if path not in counted]
        written[node.name] = BLOCK + sum(-(-size // BLOCK) * BLOCK for size in files)
        counted |= set(sizes)
    return written


@pytest.mark.parametrize("stage", STAGES if FAULTS > 1 else ["modelling"])
def test_a_disk_that_is_full_in_a_stage_loses_nothing(
    kedro, recovers, make_disk, undisturbed: Manifest, raw_dir: Path, record_property, stage: str
) -> None:
    # There is space for everything before the stage's largest output, and for half of that one.
    written = measure_nodes(undisturbed)
    largest = max((name for name in written if name.startswith(f"{stage}.")), key=lambda name: written[name])
    names = list(written)
    first_manifest = len(undisturbed.model_dump_json(indent=2))
    before = first_manifest + sum(written[name] for name in names[: names.index(largest)])
    data_root = make_disk(before + written[largest] // 2)
    done = kedro("run", "--env=test", f"--params=raw_dir={raw_dir},data_root={data_root}", check=False)
    record_property("fault", f"disk full in {stage}, in {largest}; the run ended with {done.returncode}")
    assert done.returncode == 1
    assert str(data_root) in done.stdout + done.stderr
    assert "--params=data_root=DIR" in done.stdout + done.stderr
    make_disk(2**28)
    recovers(data_root)
