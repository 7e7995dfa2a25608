"""Runs of env cluster, whose tables are partitioned, on the battles of env test."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
import yaml

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
DASK = "--runner=arena_preference.runners.DaskRunner"
TWO_WORKERS = "--runner-params=n_workers=2"
BEFORE_MODELLING = "--pipelines=ingestion,features,embedding"
COMPARED = ("train_text_features", "train_lsa_features", "train_embedding_features")
N_PARTITIONS = 6
# `make cluster-test` sets 200,000.
BATTLES = int(os.environ.get("CLUSTER_BATTLES", "2000"))

# Kills at a known event: when a worker saves the dataset that the file `kill` names, for the first and the second time.
# It kills itself, or the process that the file names; `kill.0` and `kill.1` count.
KILLER = """

import os as _os
import signal as _signal
from pathlib import Path as _Path

from kedro.framework.hooks import hook_impl as _hook_impl


class _Killer:
    @_hook_impl
    def after_dataset_saved(self, dataset_name):
        if not _Path("kill").exists():
            return
        name, *pids = _Path("kill").read_text().split()
        if dataset_name != name:
            return
        for number in range(2):
            try:
                _Path(f"kill.{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            _os.kill(int(pids[0]) if pids else _os.getpid(), _signal.SIGKILL)
            return


HOOKS = (*HOOKS, _Killer())
"""


def check_out(folder: Path, **settings: Any) -> Path:
    """Copy the project; plain commands there mean env cluster with the sizes of env test."""
    for name in ("conf", "src"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in (".telemetry", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, folder / name)
    local = folder / "conf" / "local"
    shutil.rmtree(local)
    shutil.copytree(folder / "conf" / "cluster", local)
    shutil.copytree(folder / "conf" / "test", local, dirs_exist_ok=True)
    (local / "globals.yml").write_text(yaml.safe_dump(settings))
    with (folder / "src/arena_preference/settings.py").open("a") as file:
        file.write(KILLER)
    return folder


@pytest.fixture
def project(tmp_path: Path, raw_dir: Path) -> Path:
    return check_out(tmp_path, n_partitions=N_PARTITIONS, chunk_rows=50, raw_dir=str(raw_dir))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, raw_dir: Path) -> dict[str, str]:
    """Hashes of what a run on two workers writes before modelling."""
    folder = tmp_path_factory.mktemp("undisturbed")
    check_out(folder, n_partitions=N_PARTITIONS, chunk_rows=50, raw_dir=str(raw_dir))
    run(folder, DASK, TWO_WORKERS, BEFORE_MODELLING)
    (manifest,) = read_manifests(folder)
    return {name: manifest["written"][name]["sha256"] for name in COMPARED}


def start(project: Path, *command: str, log: str = "run.log") -> subprocess.Popen[str]:
    """Start a Python module in a copy of the project, whose code it runs."""
    path = os.pathsep.join([str(project / "src"), os.environ.get("PYTHONPATH", "")])
    with (project / log).open("w") as file:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=project,
            env={**os.environ, "PYTHONPATH": path},
            stdout=file,
            stderr=file,
            text=True,
        )


def run(project: Path, *arguments: str, ends_with: int = 0) -> str:
    status = start(project, "kedro", "run", *arguments).wait(timeout=500)
    printed = (project / "run.log").read_text()
    assert status == ends_with, printed[-6000:]
    return printed


def read_manifests(project: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((project / "data/08_reporting/runs").glob("*.json"))]


@pytest.fixture
def cluster(project: Path) -> Iterator[tuple[str, int]]:
    """Address and process of a scheduler that has two workers."""
    scheduler = start(
        project, "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", log="scheduler.log"
    )
    processes = [scheduler]
    try:
        end = time.monotonic() + 120
        # The white space after the address: the line may be half written.
        while not (found := re.search(r"Scheduler at:\s+(tcp://\S+)\s", (project / "scheduler.log").read_text())):
            assert time.monotonic() < end, "the scheduler did not start"
            time.sleep(0.05)
        options = ["--nthreads", "1", "--no-dashboard", "--resources", "GPU=1", "--death-timeout", "5"]
        processes += [start(project, "dask", "worker", found[1], *options, log=f"worker{n}.log") for n in range(2)]
        yield found[1], scheduler.pid
    finally:
        for process in processes:
            if process.poll() is None:
                for member in (*psutil.Process(process.pid).children(recursive=True), process):
                    member.kill()
                process.wait()


@pytest.mark.parametrize("runner", [[DASK, TWO_WORKERS], []], ids=["dask", "sequential"])
def test_the_submission_has_the_bytes_of_a_plain_run(
    newest: Callable[[Path, str], Path], trained: Path, project: Path, runner: list[str]
) -> None:
    printed = run(project, *runner)
    for output in ("07_model_output/submission.csv", "06_models/calibration.json", "08_reporting/metrics.json"):
        assert newest(project / "data", output).read_bytes() == newest(trained, output).read_bytes()
    files = list(newest(project / "data", "04_feature/test_text_features.parquet").glob("*.parquet"))
    (manifest,) = read_manifests(project)
    assert manifest["status"] == "completed"
    assert all(each["seconds"] is not None for each in manifest["nodes"])
    if runner:
        assert len(files) == N_PARTITIONS
        assert re.search(rf"predict_test_preferences .*\b{N_PARTITIONS} partitions", printed)
        # Of lines that every partition would write, one is written.
        assert len(re.findall(r"compute_train_text_features +[\d.]+ s", printed)) == 1
    else:
        assert len(files) == 1


@pytest.mark.parametrize(
    ("pipelines", "dataset"),
    [("ingestion,features", "train_text_features"), ("ingestion,features,embedding", "train_text_embeddings")],
)
def test_workers_that_are_killed_between_partitions_change_no_byte(
    project: Path, undisturbed: dict[str, str], pipelines: str, dataset: str
) -> None:
    (project / "kill").write_text(dataset)
    run(project, DASK, TWO_WORKERS, f"--pipelines={pipelines}")
    assert len(list(project.glob("kill.*"))) == 2
    (manifest,) = read_manifests(project)
    assert manifest["status"] == "completed"
    names = [name for name in COMPARED if name in manifest["written"]]
    assert len(names) == (3 if "embedding" in pipelines else 2)
    assert {name: manifest["written"][name]["sha256"] for name in names} == {name: undisturbed[name] for name in names}


def test_after_a_lost_scheduler_the_next_run_reuses_the_stored_shards(
    project: Path, undisturbed: dict[str, str], cluster: tuple[str, int]
) -> None:
    address, scheduler = cluster
    (project / "kill").write_text(f"train_text_embeddings {scheduler}")
    printed = run(project, DASK, f"--runner-params=address={address}", BEFORE_MODELLING, ends_with=1)
    assert re.search(f"scheduler at {re.escape(address)}", printed)
    (project / "kill").unlink()
    store = project / "data/04_feature/embedding_store"
    stored = {path: path.stat().st_mtime_ns for path in store.rglob("*.safetensors")}
    assert stored
    run(project, DASK, TWO_WORKERS, BEFORE_MODELLING)
    assert stored.items() <= {path: path.stat().st_mtime_ns for path in store.rglob("*.safetensors")}.items()
    first, second = read_manifests(project)
    assert (first["status"], second["status"]) == ("failed", "completed")
    assert {name: second["written"][name]["sha256"] for name in COMPARED} == undisturbed


def test_many_battles_need_little_memory_before_modelling(
    kedro: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    raw_dir = tmp_path / "raw"
    n_partitions = max(4, BATTLES // 6000)
    project = check_out(tmp_path / "project", n_partitions=n_partitions, chunk_rows=10_000, raw_dir=str(raw_dir))
    sizes = f"simulation.battles={BATTLES},simulation.test_battles=50"
    kedro("run", "--env=test", "--pipelines=simulation", f"--params=raw_dir={raw_dir},{sizes}", cwd=project)
    fraction = min(1.0, 20_000 / BATTLES)
    printed = run(
        project,
        DASK,
        "--runner-params=n_workers=2,memory_limit=2GB",
        f"--params=ingestion.sample_fraction={fraction},embedding.encoder.enabled=false",
        "--to-outputs=train_model_input",
    )
    assert "Restarting" not in printed
    *_, manifest = read_manifests(project)
    assert all(node["peak_memory"] < 2e9 for node in manifest["nodes"])
    files = (project / "data/05_model_input/train_model_input.parquet").glob("*/*/*.parquet")
    assert sum(len(pd.read_parquet(file, columns=["id"])) for file in files) == BATTLES
