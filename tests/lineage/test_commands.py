"""``kedro runs``, in a project of its own."""

import sys

import pytest


@pytest.fixture
def three_runs(project):
    """A project in which everything ran twice, the second time with another number, and then the last part again."""
    project.call("run")
    (project.folder / "data/numbers.json").write_text("[1, 2, 3, 4]")
    (project.folder / "go").touch()
    project.call("run", "--params=wait_for=go")
    project.call("run", "--pipelines=writing")
    return project


def _ids(project) -> list[str]:
    return [manifest["run_id"] for manifest in project.manifests()]


def test_list_shows_the_newest_first(three_runs) -> None:
    lines = three_runs.call("runs", "list").splitlines()
    first, second, third = _ids(three_runs)
    rows = [line.split() for line in lines if " completed " in line]
    assert [row[0] for row in rows] == [third, second, first]
    assert [row[-2] for row in rows[1:]] == ["20.0000", "12.0000"]
    assert "log loss" in "".join(lines)


def test_list_of_no_runs_is_an_empty_table(project) -> None:
    assert "started" in project.call("runs", "list")


def test_show_tells_what_a_run_was_read_and_wrote(three_runs) -> None:
    _, second, third = _ids(three_runs)
    printed = three_runs.call("runs", "show", third)
    rows = [line.split() for line in printed.splitlines()]
    assert ["command", sys.executable, "-m", "kedro", "run", "--pipelines=writing"] in rows
    assert ["from", "run", second] in rows
    assert [row[:3] for row in rows if row[1:2] == ["read"]] == [["doubles", "read", second], ["total", "read", second]]
    assert [row[:3] for row in rows if row[1:2] == ["written"]] == [["text", "written", third]]
    assert "'never' is no run's id or name" in three_runs.call("runs", "show", "never", ends_with=1)


def test_compare_shows_what_differs_and_nothing_else(three_runs) -> None:
    first, second, third = _ids(three_runs)
    rows = [line.split() for line in three_runs.call("runs", "compare", first, second).splitlines()]
    assert ["metrics.log_loss", "12", "20"] in rows
    assert ["parameters.wait_for", "go"] in rows
    assert len([row for row in rows if row and row[0].startswith(("metrics", "parameters", "packages"))]) == 2
    rows = [line.split() for line in three_runs.call("runs", "compare", second, third).splitlines()]
    assert ["from", "run", second] in rows
    assert ["metrics.log_loss", "20"] in rows
    assert ["metrics"] not in rows
    assert "differ in nothing but what they cost" in three_runs.call("runs", "compare", first, first)


def test_verify_finds_what_was_changed_lost_and_put_there(three_runs) -> None:
    first, second, third = _ids(three_runs)
    assert "Runs: 3. Versions that they wrote: 7. Problems: 0." in three_runs.call("runs", "verify")
    three_runs.version("text.txt", first).write_text("13 of 3")
    three_runs.version("total.json", second).unlink()
    (three_runs.folder / "data/doubles.json/2999-01-01T00.00.00.000Z").mkdir()
    printed = three_runs.call("runs", "verify", ends_with=1)
    assert f"text, version {first}: " in printed
    assert "has 7 bytes" in printed
    assert f"total, version {second}: " in printed
    assert "no manifest tells of" in printed
    assert "Problems: 3." in printed
    assert "total.json is gone" in three_runs.call("runs", "verify", third, ends_with=1)
    assert "Problems: 1." in three_runs.call("runs", "verify", first, ends_with=1)


def test_prune_removes_old_runs_with_what_they_wrote_and_says_how_much(three_runs) -> None:
    first, second, third = _ids(three_runs)
    files = [three_runs.version(name, first) for name in ("doubles.json", "total.json", "text.txt")]
    size = sum(file.stat().st_size for file in files)
    printed = three_runs.call("runs", "prune", "--keep=1", "--dry-run")
    assert f"would remove doubles, version {first}" in printed
    assert f"Runs to remove: 1. Runs kept: 2. Bytes to be freed: {size} " in printed
    assert all(file.exists() for file in files)
    printed = three_runs.call("runs", "prune", "--keep=1")
    assert f"removed doubles, version {first}" in printed
    assert f"Runs removed: 1. Runs kept: 2. Bytes freed: {size} " in printed
    assert not any(file.parent.exists() for file in files)
    assert _ids(three_runs) == [second, third]
    assert "Problems: 0." in three_runs.call("runs", "verify")


def test_prune_leaves_alone_what_a_run_with_a_name_needs(three_runs) -> None:
    _, second, third = _ids(three_runs)
    three_runs.call("runs", "tag", third, "sent")
    assert "Runs removed: 1. Runs kept: 2." in three_runs.call("runs", "prune", "--keep=0")
    assert _ids(three_runs) == [second, third]


def test_a_name_calls_a_run_until_it_is_taken_away(three_runs) -> None:
    first, second, _ = _ids(three_runs)
    three_runs.call("runs", "tag", second, "best")
    assert "best" in three_runs.call("runs", "list")
    three_runs.call("run", "--pipelines=writing", "--params=from_run=best")
    assert three_runs.manifests()[-1]["from_run"] == second
    assert f"Run {second} is called best already" in three_runs.call("runs", "tag", first, "best", ends_with=1)
    three_runs.call("runs", "tag", "best", "--remove")
    three_runs.call("runs", "tag", first, "best")
    assert [manifest["name"] for manifest in three_runs.manifests()] == ["best", None, None, None]
    assert "either a NAME or --remove" in three_runs.call("runs", "tag", first, ends_with=2)
