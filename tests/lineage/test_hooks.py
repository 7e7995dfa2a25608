"""Manifests of runs and the choice of their inputs, in a small project."""

import atexit
import hashlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

NODES = ["double", "add", "write"]


def _run(project, *options: str, ends_with: int = 0) -> str:
    """Run pipelines and return the run's id, which is that of the newest manifest."""
    project.invoke("run", *options, ends_with=ends_with)
    return project.manifests()[-1]["run_id"]


@contextmanager
def _running(project, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Start a run in a process of its own, and yield it while its first node waits for the file ``go``."""
    process = project.start("run", "--params=wait_for=go", *options)
    try:
        while not (project.folder / "go.here").exists():
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.communicate()


def _check_manifest(project, runner: str) -> None:
    (manifest,) = project.manifests()
    run_id = manifest["run_id"]
    assert manifest["status"] == "completed"
    assert manifest["started"] < manifest["ended"]
    assert (manifest["environment"], manifest["pipelines"], manifest["runner"]) == ("local", ["__default__"], runner)
    assert manifest["parameters"]["wait_for"] == ""
    assert manifest["metrics"] == {"log_loss": 12.0}
    assert manifest["machine"]["cores"] >= 1
    assert "python" in manifest["packages"]
    assert [node["name"] for node in manifest["nodes"]] == NODES
    assert all(node["seconds"] >= 0 and node["peak_memory"] > 2**20 for node in manifest["nodes"])
    numbers = (project.folder / "data/numbers.json").read_bytes()
    assert manifest["read"] == {
        "numbers": {
            "path": "data/numbers.json",
            "version": None,
            "size": len(numbers),
            "sha256": hashlib.sha256(numbers).hexdigest(),
        }
    }
    assert list(manifest["written"]) == ["doubles", "text", "total"]
    for stored in manifest["written"].values():
        assert stored["version"] == run_id
        content = (project.folder / stored["path"]).read_bytes()
        assert (stored["size"], stored["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("runner", ["SequentialRunner", "ThreadRunner"])
def test_a_manifest_records_inputs_outputs_time_and_memory(project, runner: str) -> None:
    project.invoke("run", f"--runner={runner}")
    _check_manifest(project, runner)


@pytest.mark.slow
@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_a_manifest_is_complete_with_nodes_in_other_processes(project, start_method: str) -> None:
    project.call("run", "--runner=ParallelRunner", KEDRO_MP_CONTEXT=start_method)
    _check_manifest(project, "ParallelRunner")
    assert project.manifests()[0]["command"].endswith(" -m kedro run --runner=ParallelRunner")


def test_the_log_has_a_line_per_node_and_at_debug_the_versions_that_it_loads(project) -> None:
    lines = project.invoke("run").splitlines()
    run_id = project.manifests()[0]["run_id"]
    assert [line.split()[0] for line in lines if line.endswith("GiB")] == NODES
    assert sum(run_id in line for line in lines) == 2 + 3
    assert f"write loads total, version {run_id}" in lines


def test_the_log_names_each_file_without_versions_that_the_run_reads_with_its_size(project) -> None:
    lines = project.invoke("run").splitlines()
    assert [line for line in lines if line.startswith("Reads ")] == ["Reads data/numbers.json, 9 bytes"]
    assert "Reads " not in project.invoke("run", "--pipelines=writing")


@pytest.mark.slow
def test_with_this_project_s_logging_a_run_logs_only_its_start_nodes_and_end(
    project, pytestconfig: pytest.Config
) -> None:
    logging_config = pytestconfig.rootpath / "conf" / "logging.yml"
    printed = project.call("run", KEDRO_LOGGING_CONFIG=str(logging_config))
    nodes = [line.split()[2:] for line in printed.splitlines() if line.endswith("GiB")]
    assert [(words[0], words[2], words[4]) for words in nodes] == [(name, "s", "GiB") for name in NODES]
    assert len(printed.splitlines()) == len(NODES) + 3


def test_a_failed_run_records_its_error_and_its_outputs(project) -> None:
    _run(project, "--params=wait_for=error", ends_with=1)
    (manifest,) = project.manifests()
    assert manifest["status"] == "failed"
    assert manifest["error"].startswith("ArithmeticError: no doubles today")
    assert manifest["written"] == {}
    assert [node["seconds"] is None for node in manifest["nodes"]] == [False, True, True]


@pytest.mark.parametrize(("number", "exit_code"), [("SIGINT", 1), ("SIGTERM", 143)])
def test_an_interruption_is_recorded_when_the_process_exits(
    project, monkeypatch: pytest.MonkeyPatch, number: str, exit_code: int
) -> None:
    at_exit = []
    monkeypatch.setattr(atexit, "register", at_exit.append)
    before = signal.getsignal(signal.SIGTERM)
    project.invoke("run", f"--params=wait_for={number}", ends_with=exit_code)
    assert project.manifests()[0]["status"] == "running"
    for function in at_exit:
        function()
    assert project.manifests()[0]["status"] == "interrupted"
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["SequentialRunner", "ThreadRunner"])
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "interrupted"), (signal.SIGKILL, "killed")]
)
def test_a_signal_that_stops_a_run_is_recorded(project, number: int, status: str, runner: str) -> None:
    with _running(project, f"--runner={runner}") as process:
        assert project.manifests()[0]["status"] == "running"
        assert " running " in project.invoke("runs", "list")
        process.send_signal(number)
        # A thread cannot be interrupted. The main thread, which waits for it, handles the signal first.
        (project.folder / "go").touch()
        process.wait(timeout=60)
        assert process.returncode != 0
    assert project.manifests()[0]["status"] == ("running" if status == "killed" else status)
    assert f" {status} " in project.invoke("runs", "list")


def test_secrets_are_not_in_the_manifest(project) -> None:
    project.invoke("run", "--params=wait_for=error,hub_token=hidden,note=open sesame", ends_with=1)
    text = next((project.folder / "data/runs").iterdir()).read_text()
    for secret in ("do not tell", "mine@", "hidden", "open sesame", "token=hush"):
        assert secret not in text
    parameters = json.loads(text)["parameters"]
    assert [parameters["secret_token"], parameters["address"]] == ["***", "https://***@example.org/"]


@pytest.mark.slow
def test_secrets_are_not_in_the_command(project) -> None:
    project.call("run", "--params=hub_token=hidden,note=open sesame")
    assert project.manifests()[0]["command"].endswith("kedro run '--params=hub_token=***,note=***'")


def test_inputs_come_from_the_newest_completed_run_that_has_all_of_them(project) -> None:
    first = _run(project)
    _run(project, "--params=wait_for=error", ends_with=1)
    printed = project.invoke("run", "--pipelines=writing")
    writing = project.manifests()[-1]
    assert writing["from_run"] == first
    assert {name: stored["version"] for name, stored in writing["read"].items()} == {"doubles": first, "total": first}
    assert f"inputs from run {first}" in printed


def test_a_stale_total_is_not_joined_with_new_doubles(project) -> None:
    first = _run(project)
    second = _run(project, "--pipelines=doubling")
    # The first run is older, and the newest that has both of them consistently.
    third = _run(project, "--pipelines=writing")
    assert project.manifests()[-1]["from_run"] == first
    printed = project.invoke("run", "--pipelines=writing", f"--params=from_run={second}", ends_with=1)
    assert f"Run {second} lacks 1 of the 2 stored datasets" in printed
    assert f"  total  in {third}, {first}\n" in printed
    # A prefix never matches the id of the run itself.
    fourth = _run(project, "--pipelines=adding", f"--params=from_run={second[:-2]}")
    written = _run(project, "--pipelines=writing")
    manifest = project.manifests()[-1]
    assert manifest["from_run"] == fourth
    assert {name: stored["version"] for name, stored in manifest["read"].items()} == {
        "doubles": second,
        "total": fourth,
    }
    assert project.version("text.txt", written).read_text() == "12.0 of 3"


def test_without_a_completed_run_that_has_all_inputs_no_node_runs(project) -> None:
    _run(project, "--pipelines=doubling")
    printed = project.invoke("run", "--pipelines=writing", ends_with=1)
    assert "  total    in no run\n" in printed
    assert "kedro run --pipelines=" in printed
    manifest = project.manifests()[-1]
    assert (manifest["status"], manifest["written"]) == ("failed", {})


@pytest.mark.parametrize("change", ["changed", "cut", "removed"])
def test_a_file_that_was_changed_since_its_run_stops_the_next_run(project, change: str) -> None:
    first = _run(project)
    file = project.version("total.json", first)
    content = file.read_text()
    {
        "changed": lambda: file.write_text(content.replace("12", "13")),
        "cut": lambda: file.write_text(content[:5]),
        "removed": file.unlink,
    }[change]()
    printed = project.invoke("run", "--pipelines=writing", ends_with=1)
    assert f"  total, version {first}: {file} {'is missing' if change == 'removed' else 'has '}" in printed
    assert "--params=from_run=RUN" in printed
    assert [path.name for path in (project.folder / "data/text.txt").iterdir()] == [first]


def test_an_incomplete_newest_version_is_never_loaded(project) -> None:
    first = _run(project)
    file = project.version("total.json", "2999-01-01T00.00.00.000Z")
    file.parent.mkdir()
    file.write_text("{")
    _run(project, "--pipelines=writing")
    assert project.manifests()[-1]["from_run"] == first


def test_load_versions_are_recorded_and_no_later_run_builds_on_the_mixture(project) -> None:
    first, second = _run(project), _run(project)
    third = _run(project, "--pipelines=writing", f"--load-versions=total:{first},doubles:{second}")
    manifest = project.manifests()[-1]
    assert manifest["load_versions"] == {"total": first, "doubles": second}
    assert manifest["from_run"] is None
    assert {name: stored["version"] for name, stored in manifest["read"].items()} == manifest["load_versions"]
    printed = project.invoke("run", "--pipelines=writing", f"--params=from_run={third}", ends_with=1)
    assert f"Run {third} lacks 2 of the 2 stored datasets" in printed


@pytest.mark.parametrize("option", ["--load-versions=total:{}", "--only-missing-outputs"])
def test_options_that_would_mix_runs_are_rejected(project, option: str) -> None:
    first = _run(project)
    printed = project.invoke("run", option.format(first), ends_with=1)
    assert option.partition("=")[0] in printed
    assert "--from-nodes" in printed
    assert project.manifests()[-1]["status"] == "failed"


def test_from_run_without_inputs_has_no_effect_and_with_inputs_must_be_a_run(project) -> None:
    assert "from_run=anything has no effect" in project.invoke("run", "--params=from_run=anything")
    assert project.manifests()[0]["from_run"] is None
    assert "'anything' is not" in project.invoke(
        "run", "--pipelines=writing", "--params=from_run=anything", ends_with=1
    )


@pytest.mark.slow
def test_two_runs_at_once_do_not_disturb_each_other(project) -> None:
    first = _run(project)
    with _running(project) as slow:
        second = project.manifests()[-1]["run_id"]
        other = _run(project)
        # Inputs come from the completed run, not from the running one.
        writing = _run(project, "--pipelines=writing")
        (project.folder / "go").touch()
        printed, _ = slow.communicate(timeout=60)
        assert slow.returncode == 0, printed
    manifests = {manifest["run_id"]: manifest for manifest in project.manifests()}
    assert list(manifests) == [first, second, other, writing]
    assert {manifest["status"] for manifest in manifests.values()} == {"completed"}
    assert manifests[writing]["from_run"] == other
    assert all(project.version("text.txt", run_id).read_text() == "12.0 of 3" for run_id in manifests)
    assert "Runs: 4. Versions that they wrote: 10. Problems: 0." in project.invoke("runs", "verify")


def test_a_copy_of_a_project_builds_on_the_runs_of_the_original(
    project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = _run(project)
    copy = type(project)(tmp_path_factory.mktemp("copy"), project.folder)
    copy.invoke("run", "--pipelines=writing")
    assert copy.manifests()[-1]["from_run"] == first
    assert "Runs: 2. Versions that they wrote: 4. Problems: 0." in copy.invoke("runs", "verify")


def test_a_catalog_without_an_entry_for_runs_stops_the_run_with_a_suggestion(project) -> None:
    catalog = project.folder / "conf/base/catalog.yml"
    _, rest = catalog.read_text().split("\n\n", 1)
    catalog.write_text(rest)
    printed = project.invoke("run", ends_with=1)
    assert "'runs'" in printed
    assert "partitions.PartitionedDataset" in printed
