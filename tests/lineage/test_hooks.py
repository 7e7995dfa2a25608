"""What is recorded of a run, and what it starts from, in a project of its own."""

import hashlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


def _run(project, *options: str, ends_with: int = 0, **environment: str) -> str:
    """Run pipelines and give the run's id, which is that of the newest manifest."""
    project.call("run", *options, ends_with=ends_with, **environment)
    return project.manifests()[-1]["run_id"]


@contextmanager
def _running(project, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Start a run, and give it while its first node waits for the file ``go``."""
    process = project.start("run", "--params=wait_for=go", *options)
    try:
        while not (project.folder / "go.here").exists():
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("runner", "context"),
    [("SequentialRunner", ""), ("ThreadRunner", ""), ("ParallelRunner", "fork"), ("ParallelRunner", "spawn")],
)
def test_a_run_writes_what_it_was_read_and_wrote_under_every_runner(project, runner: str, context: str) -> None:
    environment = {"KEDRO_MP_CONTEXT": context} if context else {}
    printed = project.call("run", f"--runner={runner}", **environment)
    (manifest,) = project.manifests()
    run_id = manifest["run_id"]
    assert manifest["status"] == "completed"
    assert manifest["started"] < manifest["ended"]
    assert manifest["command"].endswith(f" -m kedro run --runner={runner}")
    assert (manifest["environment"], manifest["pipelines"], manifest["runner"]) == ("local", ["__default__"], runner)
    assert manifest["parameters"]["wait_for"] == ""
    assert manifest["metrics"] == {"log_loss": 12.0}
    assert [node["name"] for node in manifest["nodes"]] == ["double", "add", "write"]
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
    loaded = [line.split(": ", 1)[1] for line in printed.splitlines() if " has loaded " in line]
    assert sorted(loaded) == [
        f"add has loaded doubles, version {run_id}",
        f"write has loaded doubles, version {run_id}",
        f"write has loaded total, version {run_id}",
    ]


def test_a_run_that_fails_says_why_and_what_it_had_written(project) -> None:
    _run(project, "--params=wait_for=error", ends_with=1)
    (manifest,) = project.manifests()
    assert manifest["status"] == "failed"
    assert manifest["error"].startswith("ArithmeticError: no doubles today")
    assert manifest["written"] == {}
    assert [node["seconds"] is None for node in manifest["nodes"]] == [False, True, True]


@pytest.mark.parametrize("runner", ["SequentialRunner", "ThreadRunner"])
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "interrupted"), (signal.SIGKILL, "killed")]
)
def test_a_run_that_is_stopped_says_so(project, number: int, status: str, runner: str) -> None:
    with _running(project, f"--runner={runner}") as process:
        assert project.manifests()[0]["status"] == "running"
        assert " running " in project.call("runs", "list")
        process.send_signal(number)
        # A thread that waits for a file would wait for ever.
        if runner == "ThreadRunner" and number != signal.SIGKILL:
            time.sleep(0.5)
            (project.folder / "go").touch()
        process.wait(timeout=60)
        assert process.returncode != 0
    assert project.manifests()[0]["status"] == ("running" if status == "killed" else status)
    assert f" {status} " in project.call("runs", "list")


def test_what_is_secret_is_not_in_the_manifest(project) -> None:
    printed = project.call("run", "--params=wait_for=error,hub_token=hidden,note=open sesame", ends_with=1)
    text = next((project.folder / "data/runs").iterdir()).read_text()
    for secret in ("do not tell", "mine@", "hidden", "open sesame", "token=hush"):
        assert secret not in text
    manifest = json.loads(text)
    parameters = manifest["parameters"]
    assert [parameters["secret_token"], parameters["address"]] == ["***", "https://***@example.org/"]
    assert "hub_token=***" in manifest["command"]
    assert "open sesame" not in printed


def test_a_run_starts_from_the_newest_complete_run_that_has_all_it_needs(project) -> None:
    first = _run(project)
    _run(project, "--params=wait_for=error", ends_with=1)
    printed = project.call("run", "--pipelines=writing")
    writing = project.manifests()[-1]
    assert writing["from_run"] == first
    assert {name: stored["version"] for name, stored in writing["read"].items()} == {"doubles": first, "total": first}
    assert f"Starting from run {first}" in printed
    assert f"write has loaded total, version {first}" in printed


def test_an_old_total_is_not_joined_with_new_doubles(project) -> None:
    first = _run(project)
    second = _run(project, "--pipelines=doubling")
    # The first run is older, and the newest that has both of them as they fit together.
    printed = project.call("run", "--pipelines=writing")
    assert f"Starting from run {first}" in printed
    printed = project.call("run", "--pipelines=writing", f"--params=from_run={second}", ends_with=1)
    assert f"Run {second} does not have 1 of the 2 stored datasets" in printed
    assert f"  total  in {project.manifests()[2]['run_id']}, {first}" in printed
    # The beginning of an id is that of another run, not of the one that asks.
    third = _run(project, "--pipelines=adding", f"--params=from_run={second[:-2]}")
    written = _run(project, "--pipelines=writing")
    manifest = project.manifests()[-1]
    assert manifest["from_run"] == third
    assert {name: stored["version"] for name, stored in manifest["read"].items()} == {"doubles": second, "total": third}
    assert project.version("text.txt", written).read_text() == "12.0 of 3"


def test_without_a_complete_run_nothing_begins(project) -> None:
    _run(project, "--pipelines=doubling")
    printed = project.call("run", "--pipelines=writing", ends_with=1)
    assert "No complete run has all of the 2 stored datasets" in printed
    assert "  total    in no complete run" in printed
    assert "Make them in one run" in printed
    assert project.manifests()[-1]["status"] == "failed"
    assert project.manifests()[-1]["written"] == {}


@pytest.mark.parametrize("damage", ["changed", "cut", "removed"])
def test_a_file_that_is_not_what_its_run_wrote_stops_the_next_one(project, damage: str) -> None:
    first = _run(project)
    file = project.version("total.json", first)
    content = file.read_text()
    {
        "changed": lambda: file.write_text(content.replace("12", "13")),
        "cut": lambda: file.write_text(content[:5]),
        "removed": file.unlink,
    }[damage]()
    printed = project.call("run", "--pipelines=writing", ends_with=1)
    assert ("no longer there" if damage == "removed" else "not what their run wrote") in printed
    assert f"  total, version {first}: " in printed
    assert "--params=from_run=ID" in printed
    assert list((project.folder / "data/text.txt").iterdir()) == [file.parents[2] / "text.txt" / first]


def test_an_incomplete_newest_version_is_never_taken(project) -> None:
    first = _run(project)
    file = project.version("total.json", "2999-01-01T00.00.00.000Z")
    file.parent.mkdir()
    file.write_text("{")
    project.call("run", "--pipelines=writing")
    assert project.manifests()[-1]["from_run"] == first


def test_versions_can_be_named_one_by_one_and_are_recorded(project) -> None:
    first, second = _run(project), _run(project)
    project.call("run", "--pipelines=writing", f"--load-versions=total:{first},doubles:{second}")
    manifest = project.manifests()[-1]
    assert manifest["load_versions"] == {"total": first, "doubles": second}
    assert manifest["from_run"] is None
    assert {name: stored["version"] for name, stored in manifest["read"].items()} == manifest["load_versions"]
    # What was mixed by hand is not the base of anything else.
    printed = project.call("run", "--pipelines=writing", f"--params=from_run={manifest['run_id']}", ends_with=1)
    assert "does not have 2 of the 2 stored datasets" in printed


def test_a_version_of_what_the_run_writes_itself_is_refused(project) -> None:
    first = _run(project)
    printed = project.call("run", f"--load-versions=total:{first}", ends_with=1)
    assert "--load-versions names total, which this run itself writes" in printed


def test_only_missing_outputs_is_refused(project) -> None:
    printed = project.call("run", "--only-missing-outputs", ends_with=1)
    assert "--only-missing-outputs looks at whether outputs exist" in printed


def test_a_run_to_start_from_that_nothing_reads_is_said_to_be_without_effect(project) -> None:
    printed = project.call("run", "--params=from_run=anything")
    assert "from_run=anything is without effect" in printed
    assert project.manifests()[0]["from_run"] is None
    printed = project.call("run", "--pipelines=writing", "--params=from_run=anything", ends_with=1)
    assert "'anything' is no run's id or name" in printed


def test_two_runs_at_once_both_end_well(project) -> None:
    first = _run(project)
    with _running(project) as slow:
        second = project.manifests()[-1]["run_id"]
        other = _run(project)
        # While both are there, a run that starts from stored datasets takes those of a complete one.
        writing = _run(project, "--pipelines=writing")
        (project.folder / "go").touch()
        printed, _ = slow.communicate(timeout=60)
        assert slow.returncode == 0, printed
    manifests = {manifest["run_id"]: manifest for manifest in project.manifests()}
    assert list(manifests) == [first, second, other, writing]
    assert {manifest["status"] for manifest in manifests.values()} == {"completed"}
    assert manifests[writing]["from_run"] == other
    assert all(project.version("text.txt", run_id).read_text() == "12.0 of 3" for run_id in manifests)
    assert "Runs: 4. Versions that they wrote: 10. Problems: 0." in project.call("runs", "verify")


def test_a_copied_project_goes_on_from_the_runs_of_the_first(project, tmp_path_factory: pytest.TempPathFactory) -> None:
    first = _run(project)
    copy = type(project)(tmp_path_factory.mktemp("copy"), project.folder)
    copy.call("run", "--pipelines=writing")
    assert copy.manifests()[-1]["from_run"] == first
    assert "Runs: 2. Versions that they wrote: 4. Problems: 0." in copy.call("runs", "verify")


def test_a_catalog_without_runs_stops_with_what_to_put_there(project) -> None:
    catalog = project.folder / "conf/base/catalog.yml"
    _, rest = catalog.read_text().split("\n\n", 1)
    catalog.write_text(rest)
    assert "The catalog has no entry 'runs'" in project.call("run", ends_with=1)
