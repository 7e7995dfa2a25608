"""``kedro runs`` in a small project."""

import pytest


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory, small_project_type):
    """A project that ran twice, the second time with other numbers, and then its last node again."""
    project = small_project_type(tmp_path_factory.mktemp("origin"))
    project.invoke("run")
    (project.folder / "data/numbers.json").write_text("[1, 2, 3, 4]")
    (project.folder / "go").touch()
    project.invoke("run", "--params=wait_for=go")
    project.invoke("run", "--pipelines=writing")
    return project


@pytest.fixture
def three_runs(origin, tmp_path):
    return type(origin)(tmp_path, origin.folder)


def _ids(project) -> list[str]:
    return [manifest["run_id"] for manifest in project.manifests()]


def _rows(printed: str) -> list[list[str]]:
    return [line.split() for line in printed.splitlines()]


def test_list_shows_the_newest_first(three_runs) -> None:
    printed = three_runs.invoke("runs", "list")
    first, second, third = _ids(three_runs)
    rows = [row for row in _rows(printed) if "completed" in row]
    assert [row[0] for row in rows] == [third, second, first]
    assert [row[-2] for row in rows[1:]] == ["20.0000", "12.0000"]
    assert "log loss" in printed


def test_list_of_no_runs_is_an_empty_table(project) -> None:
    assert "started" in project.invoke("runs", "list")


def test_show_has_the_settings_nodes_and_datasets_of_a_run(three_runs) -> None:
    _, second, third = _ids(three_runs)
    rows = _rows(three_runs.invoke("runs", "show", third))
    assert ["from_run", second] in rows
    assert ["pipelines", "writing"] in rows
    assert [row[0] for row in rows if row[-1:] in (["MB"], ["GB"])] == ["write"]
    assert [row[:3] for row in rows if row[1:2] == ["read"]] == [["doubles", "read", second], ["total", "read", second]]
    assert [row[:3] for row in rows if row[1:2] == ["written"]] == [["text", "written", third]]
    assert "'never'" in three_runs.invoke("runs", "show", "never", ends_with=1)


def test_compare_shows_what_differs_and_nothing_else(three_runs) -> None:
    first, second, third = _ids(three_runs)
    rows = _rows(three_runs.invoke("runs", "compare", first, second))
    assert [row for row in rows if len(row) > 1] == [
        [first, second],
        ["metrics.log_loss", "12", "20"],
        ["parameters.wait_for", "go"],
    ]
    rows = _rows(three_runs.invoke("runs", "compare", second, third))
    assert ["from_run", second] in rows
    assert ["metrics.log_loss", "20"] in rows
    assert "do not differ" in three_runs.invoke("runs", "compare", first, first)


def test_verify_finds_versions_that_were_changed_lost_or_added(three_runs) -> None:
    first, second, third = _ids(three_runs)
    assert "Runs: 3. Versions that they wrote: 7. Problems: 0." in three_runs.invoke("runs", "verify")
    three_runs.version("text.txt", first).write_text("13 of 3")
    three_runs.version("total.json", second).unlink()
    added = three_runs.folder / "data/doubles.json/2999-01-01T00.00.00.000Z"
    added.mkdir()
    printed = three_runs.invoke("runs", "verify", ends_with=1)
    assert f"text, version {first}: {three_runs.version('text.txt', first)} has 7 bytes" in printed
    assert f"total, version {second}: {three_runs.version('total.json', second)} " in printed
    assert f"doubles, version {added.name}: " in printed
    assert "Problems: 3." in printed
    assert "Problems: 1." in three_runs.invoke("runs", "verify", third, ends_with=1)
    assert "Problems: 1." in three_runs.invoke("runs", "verify", first, ends_with=1)


def test_prune_removes_old_runs_with_their_outputs_and_reports_the_size(three_runs) -> None:
    first, second, third = _ids(three_runs)
    files = [three_runs.version(name, first) for name in ("doubles.json", "total.json", "text.txt")]
    size = sum(file.stat().st_size for file in files)
    printed = three_runs.invoke("runs", "prune", "--keep=1", "--dry-run")
    assert f"doubles, version {first}" in printed
    assert f"Runs would be removed: 1. Runs kept: 2. Bytes would be freed: {size} " in printed
    assert all(file.exists() for file in files)
    printed = three_runs.invoke("runs", "prune", "--keep=1")
    assert f"doubles, version {first}" in printed
    assert f"Runs removed: 1. Runs kept: 2. Bytes freed: {size} " in printed
    assert not any(file.parent.exists() for file in files)
    assert _ids(three_runs) == [second, third]
    assert "Problems: 0." in three_runs.invoke("runs", "verify")


def test_prune_keeps_what_a_named_run_needs(three_runs) -> None:
    _, second, third = _ids(three_runs)
    three_runs.invoke("runs", "tag", third, "sent")
    assert "Runs removed: 1. Runs kept: 2." in three_runs.invoke("runs", "prune", "--keep=0")
    assert _ids(three_runs) == [second, third]


def test_a_run_can_be_addressed_by_its_name_until_it_is_removed(three_runs) -> None:
    first, second, _ = _ids(three_runs)
    three_runs.invoke("runs", "tag", second, "best")
    assert "best" in three_runs.invoke("runs", "list")
    three_runs.invoke("run", "--pipelines=writing", "--params=from_run=best")
    assert three_runs.manifests()[-1]["from_run"] == second
    assert second in three_runs.invoke("runs", "tag", first, "best", ends_with=1)
    three_runs.invoke("runs", "tag", "best", "--remove")
    three_runs.invoke("runs", "tag", first, "best")
    assert [manifest["name"] for manifest in three_runs.manifests()] == ["best", None, None, None]
    assert "--remove" in three_runs.invoke("runs", "tag", first, ends_with=2)


def test_the_commands_take_the_params_of_a_run(three_runs) -> None:
    first, *_ = _ids(three_runs)
    assert first in three_runs.invoke("runs", "list", "--params=wait_for=go,secret_token=x")
