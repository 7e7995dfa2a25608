"""Nodes on a Dask cluster of separate processes, in the small project."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node
from kedro.runner.task import Task

from arena_preference.runners import DaskRunner
from arena_preference.runners.dask_runner import _execute

RUNNER = "--runner=arena_preference.runners.DaskRunner"

Start = Callable[..., subprocess.Popen[str]]


def wait_until(is_so: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < end, "timed out"
        time.sleep(0.05)
    return found


@pytest.fixture
def start_dask(tmp_path: Path) -> Iterator[Start]:
    """Start a command of Dask that ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        with (tmp_path / f"dask{len(started)}.log").open("w") as log:
            command = [sys.executable, "-m", "dask", *arguments]
            # Scheduler and workers know the project, as if it were installed on all of them.
            path = os.pathsep.join([str(tmp_path / "src"), os.environ.get("PYTHONPATH", "")])
            environment = {**os.environ, "PYTHONPATH": path}
            started.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path, env=environment))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            family = [*psutil.Process(process.pid).children(recursive=True), process]
            for member in family:
                member.kill()
            process.wait()


@pytest.fixture
def scheduler(start_dask: Start, tmp_path: Path) -> tuple[subprocess.Popen[str], str]:
    """A scheduler and its address."""
    process = start_dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    log = tmp_path / "dask0.log"
    # The white space after the address: the line may be half written.
    address = wait_until(lambda: re.search(r"Scheduler at:\s+(tcp://\S+)\s", log.read_text()))
    return process, address[1]


def start_workers(start_dask: Start, address: str, count: int = 1) -> None:
    options = ["--nthreads", "1", "--no-dashboard", "--resources", "GPU=1"]
    for _ in range(count):
        start_dask("worker", address, *options)


def test_a_run_on_a_local_cluster_has_the_usual_log_and_manifest(project) -> None:
    printed = project.call("run", RUNNER, "--runner-params=n_workers=2")
    assert "Dask dashboard: http://127.0.0.1:" in printed
    (manifest,) = project.manifests()
    assert manifest["status"] == "completed"
    assert manifest["runner"] == "DaskRunner"
    assert set(manifest["written"]) == {"doubles", "total", "text"}
    assert {stored["version"] for stored in manifest["written"].values()} == {manifest["run_id"]}
    assert all(each["seconds"] >= 0 and each["peak_memory"] > 2**20 for each in manifest["nodes"])
    # The workers' lines appear once, in the run's own log.
    for line in (
        "Running node: add: add([doubles]) -> [total]",
        f"INFO: {'write':<45}",
        "Completed node: write",
    ):
        assert printed.count(line) == 1, printed


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_node_is_run_again(project) -> None:
    gate, here = project.folder / "gate", project.folder / "gate.here"
    run = project.start("run", RUNNER, "--runner-params=n_workers=1", f"--params=wait_for={gate}")
    worker = int(wait_until(lambda: here.exists() and here.read_text()))
    assert worker != run.pid
    here.unlink()
    os.kill(worker, signal.SIGKILL)
    other = int(wait_until(lambda: here.exists() and here.read_text()))
    gate.touch()
    printed, _ = run.communicate(timeout=120)
    assert run.returncode == 0, printed
    assert other != worker
    (manifest,) = project.manifests()
    assert project.version("text.txt", manifest["run_id"]).read_text() == "12.0 of 3"


@pytest.mark.slow
def test_a_failing_node_shows_its_own_traceback_and_how_to_resume(project) -> None:
    printed = project.call("run", RUNNER, "--runner-params=n_workers=1", "--params=wait_for=error", ends_with=1)
    assert re.search(r'nodes\.py", line \d+, in double', printed)
    assert "ArithmeticError: no doubles today" in printed
    assert "No nodes ran. Repeat the previous command" in printed
    (manifest,) = project.manifests()
    assert manifest["status"] == "failed"
    assert manifest["error"].startswith("ArithmeticError")
    assert manifest["written"] == {}


@pytest.mark.slow
def test_a_running_cluster_is_used_and_left_running(
    project, scheduler: tuple[subprocess.Popen[str], str], start_dask: Start
) -> None:
    process, address = scheduler
    start_workers(start_dask, address, 2)
    for _ in range(2):
        printed = project.call("run", RUNNER, f"--runner-params=address={address}")
        assert printed.count("Completed node: write") == 1
    assert process.poll() is None
    first, second = project.manifests()
    assert [first["status"], second["status"]] == ["completed", "completed"]
    assert first["written"]["text"]["sha256"] == second["written"]["text"]["sha256"]


@pytest.mark.slow
def test_a_lost_scheduler_is_an_error_with_its_address(
    project, scheduler: tuple[subprocess.Popen[str], str], start_dask: Start
) -> None:
    process, address = scheduler
    start_workers(start_dask, address)
    gate, here = project.folder / "gate", project.folder / "gate.here"
    run = project.start("run", RUNNER, f"--runner-params=address={address}", f"--params=wait_for={gate}")
    wait_until(here.exists)
    process.kill()
    printed, _ = run.communicate(timeout=120)
    assert run.returncode == 1
    assert re.search(f"RuntimeError: .*{re.escape(address)}", printed)
    gate.touch()
    (manifest,) = project.manifests()
    assert manifest["status"] == "failed"


def test_an_address_without_a_scheduler_is_named() -> None:
    runner = DaskRunner(address="tcp://127.0.0.1:9", connect_timeout=0.5)
    with pytest.raises(RuntimeError, match=r"tcp://127\.0\.0\.1:9 .*0\.5 seconds.*dask scheduler"):
        runner.run(Pipeline([]), DataCatalog())


def test_outputs_without_a_catalog_entry_are_rejected_by_name_before_anything_starts() -> None:
    pipeline = Pipeline([node(sorted, "given", "between", name="one"), node(len, "between", "end", name="two")])
    with pytest.raises(ValueError, match=r"2 datasets .*between, end"):
        DaskRunner(n_workers=1).run(pipeline, DataCatalog({"given": MemoryDataset([1])}))


@pytest.mark.slow
def test_a_run_is_rejected_if_no_worker_has_the_resource_of_a_node(
    project, scheduler: tuple[subprocess.Popen[str], str], start_dask: Start
) -> None:
    _, address = scheduler
    start_dask("worker", address, "--nthreads", "1", "--no-dashboard")
    registry = project.folder / "src/small/pipeline_registry.py"
    registry.write_text(registry.read_text().replace('name="add")', 'name="add", tags="gpu")'))
    wait_until(lambda: "Starting established connection" in (project.folder / "dask1.log").read_text())
    printed = project.call("run", RUNNER, f"--runner-params=address={address}", ends_with=1)
    assert re.search(r"\b1 workers .*GPU.*\b1 nodes .*\badd\b.*--resources GPU=1", printed)
    printed = project.call("run", RUNNER, "--runner-params=n_workers=1")
    assert "Completed node: add" in printed


def test_an_address_and_a_number_of_workers_exclude_each_other() -> None:
    with pytest.raises(ValueError, match=r"address.*n_workers"):
        DaskRunner(address="tcp://127.0.0.1:1", n_workers=2)
    with pytest.raises(ValueError, match="positive"):
        DaskRunner(n_workers=0)


def test_a_version_that_a_dead_worker_wrote_is_replaced(tmp_path: Path) -> None:
    described = {"type": "json.JSONDataset", "filepath": f"{tmp_path}/n.json", "versioned": True}
    catalog = DataCatalog.from_config({"n": described}, save_version="1")
    catalog["given"] = MemoryDataset([3, 4])
    left = tmp_path / "n.json" / "1" / "n.json"
    left.parent.mkdir(parents=True)
    left.write_text("0")
    task = Task(node(len, "given", "n", name="count"), catalog, is_async=False, run_id="1")
    assert _execute(task).name == "count"
    assert left.read_text() == "2"


def test_without_dask_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['distributed'] = None; from arena_preference.runners import DaskRunner"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "distributed is not installed" in done.stderr
    assert "pip install 'arena-preference[cluster]'" in done.stderr
