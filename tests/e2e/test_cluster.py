"""Runs of env cluster, whose tables are in parts, on the battles of env test."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
import yaml

PROJECT = Path(__file__).parents[2]
DASK = "--runner=arena_preference.runners.DaskRunner"
TWO_WORKERS = "--runner-params=n_workers=2"
BEFORE_MODELLING = "--pipelines=ingestion,features,embedding"
COMPARED = ("train.text_features", "train.tfidf_differences", "train.embedding_features")
PARTS = 6
# `make cluster-test` sets 200,000.
BATTLES = int(os.environ.get("CLUSTER_BATTLES", "2000"))

Project = tuple[Path, Path]


def wait_until(is_so: Callable[[], Any], seconds: float = 120) -> Any:
    end = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.005)
    return found


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
    return folder


@pytest.fixture
def project(tmp_path: Path, raw_dir: Path) -> Path:
    return check_out(tmp_path, parts=PARTS, chunk_rows=50, raw_dir=str(raw_dir))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, raw_dir: Path) -> dict[str, str]:
    """Hashes of what a run on two workers writes before modelling."""
    folder = check_out(tmp_path_factory.mktemp("undisturbed"), parts=PARTS, chunk_rows=50, raw_dir=str(raw_dir))
    run(folder, DASK, TWO_WORKERS, BEFORE_MODELLING)
    (manifest,) = read_manifests(folder)
    return {name: manifest["written"][name]["sha256"] for name in COMPARED}


def start(project: Path, *arguments: str) -> subprocess.Popen[str]:
    with (project / "run.log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "kedro", "run", *arguments], cwd=project, stdout=log, stderr=log, text=True
        )


def run(project: Path, *arguments: str) -> str:
    status = start(project, *arguments).wait(timeout=500)
    printed = (project / "run.log").read_text()
    assert status == 0, printed[-6000:]
    return printed


def read_manifests(project: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((project / "data/08_reporting/runs").glob("*.json"))]


def find_workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    family = psutil.Process(process.pid).children(recursive=True)
    return [member for member in family if "spawn_main" in " ".join(member.cmdline())]


@pytest.mark.parametrize("runner", [[DASK, TWO_WORKERS], []], ids=["dask", "sequential"])
def test_the_submission_has_the_bytes_of_a_plain_run(
    newest: Callable[[Path, str], Path], trained: Path, project: Path, runner: list[str]
) -> None:
    printed = run(project, *runner)
    for output in ("07_model_output/submission.csv", "06_models/calibration.json", "08_reporting/metrics.json"):
        assert newest(project / "data", output).read_bytes() == newest(trained, output).read_bytes()
    parts = [path.name for path in newest(project / "data", "04_feature/test.text_features.parquet").glob("*.parquet")]
    (manifest,) = read_manifests(project)
    assert manifest["status"] == "completed"
    assert all(each["seconds"] is not None for each in manifest["nodes"])
    if runner:
        assert len(parts) == PARTS
        assert f"test.predict_preferences is run on {PARTS} parts" in printed
        # Of what every part says, one is heard.
        assert printed.count("-> [train.text_features]") == 1
    else:
        assert len(parts) == 1


@pytest.mark.parametrize(
    ("pipelines", "output", "file"),
    [
        ("ingestion,features", "train.text_features.parquet", "*.parquet"),
        ("ingestion,features,embedding", "embedding_store", "*.safetensors"),
    ],
    ids=["text features", "embedding"],
)
def test_workers_that_are_killed_amid_their_parts_change_no_byte(
    project: Path, undisturbed: dict[str, str], pipelines: str, output: str, file: str
) -> None:
    killed = start(project, DASK, TWO_WORKERS, f"--pipelines={pipelines}")
    made = project / "data/04_feature"
    wait_until(lambda: next((made / output).rglob(file), None))
    workers = find_workers(killed)
    assert len(workers) == 2
    # What comes last waits for all parts of the others.
    last = "train.embedding_features" if "embedding" in pipelines else "train.text_features"
    assert not any(made.glob(f"{last}.parquet/*/*/parts.json"))
    for worker in workers:
        worker.send_signal(signal.SIGKILL)
    assert killed.wait(timeout=300) == 0, (project / "run.log").read_text()[-6000:]
    (manifest,) = read_manifests(project)
    assert manifest["status"] == "completed"
    names = [name for name in COMPARED if name in manifest["written"]]
    assert len(names) == (3 if "embedding" in pipelines else 2)
    assert {name: manifest["written"][name]["sha256"] for name in names} == {name: undisturbed[name] for name in names}


def test_after_a_lost_scheduler_the_next_run_goes_on_from_the_stored_shards(
    project: Path, undisturbed: dict[str, str]
) -> None:
    dask = [sys.executable, "-m", "dask"]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": project}
    with (project / "scheduler.log").open("w") as log:
        command = [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        scheduler = subprocess.Popen(command, stdout=log, stderr=log, cwd=project)
    workers: list[subprocess.Popen[bytes]] = []
    try:
        said = (project / "scheduler.log").read_text
        address = wait_until(lambda: re.search(r"Scheduler at:\s+(tcp://\S+)", said()))[1]
        options = ["--nthreads", "1", "--no-dashboard", "--resources", "GPU=1", "--death-timeout", "5"]
        workers = [subprocess.Popen([*dask, "worker", address, *options], **silent) for _ in range(2)]
        lost = start(project, DASK, f"--runner-params=address={address}", BEFORE_MODELLING)
        store = project / "data/04_feature/embedding_store"
        wait_until(lambda: next(store.rglob("*.safetensors"), None))
        scheduler.kill()
        assert lost.wait(timeout=120) == 1
        assert f"The connection to the Dask scheduler at {address} was lost" in (project / "run.log").read_text()
    finally:
        for process in (*workers, scheduler):
            for member in (*psutil.Process(process.pid).children(recursive=True), process):
                member.kill()
            process.wait()
    printed = run(project, DASK, TWO_WORKERS, BEFORE_MODELLING)
    in_store = [int(count) for count in re.findall(r"distinct, (\d+) of those in the store", printed)]
    # A part whose texts are all there has many.
    assert max(in_store) > 20
    first, second = read_manifests(project)
    assert (first["status"], second["status"]) == ("failed", "completed")
    assert {name: second["written"][name]["sha256"] for name in COMPARED} == undisturbed


def test_many_battles_are_ingested_described_and_joined_in_little_memory(
    kedro: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    raw_dir = tmp_path / "raw"
    parts = max(4, BATTLES // 6000)
    project = check_out(tmp_path / "project", parts=parts, chunk_rows=10_000, raw_dir=str(raw_dir))
    sizes = f"simulation.battles={BATTLES},simulation.test_battles=50"
    kedro("run", "--env=test", "--pipelines=simulation", f"--params=raw_dir={raw_dir},{sizes}", cwd=project)
    share = min(1.0, 20_000 / BATTLES)
    printed = run(
        project,
        DASK,
        "--runner-params=n_workers=2,memory_limit=2GB",
        f"--params=ingestion.sample_fraction={share},embedding.encoder.enabled=false",
        "--to-outputs=train.model_input,train.tfidf_differences",
    )
    assert "Restarting" not in printed
    *_, manifest = read_manifests(project)
    nodes = {node["name"]: node for node in manifest["nodes"]}
    assert all(node["peak_memory"] < 2e9 for node in nodes.values())
    rows = sum(
        len(pd.read_parquet(path, columns=["id"]))
        for path in (project / "data/05_model_input/train.model_input.parquet").rglob("0*.parquet")
        if path.is_file()
    )
    assert rows == BATTLES
