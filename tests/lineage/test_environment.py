"""Code, packages, machine and process."""

import subprocess
from pathlib import Path

import pytest

from arena_preference.lineage.environment import RunProcess, describe_git, describe_machine, list_packages


def test_the_commit_and_whether_files_differ_from_it(tmp_path: Path) -> None:
    assert describe_git(tmp_path) == (None, None)

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "--message=x")
    assert describe_git(tmp_path) == (git("rev-parse", "HEAD"), False)
    (tmp_path / "new").touch()
    assert describe_git(tmp_path) == (git("rev-parse", "HEAD"), True)


def test_without_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert describe_git(tmp_path) == (None, None)


def test_packages_are_the_project_s_dependencies_without_its_tools() -> None:
    packages = list_packages("arena-preference")
    assert {"python", "arena-preference", "kedro", "pandas", "torch", "optuna"} <= set(packages)
    assert not {"pytest", "mypy", "ruff"} & set(packages)
    assert set(list_packages("no-such-package")) == {"python"}


def test_the_machine_has_cores_and_memory() -> None:
    machine = describe_machine()
    assert machine["cores"] >= 1
    assert machine["memory"] > 2**20
    assert isinstance(machine["gpus"], list)


def test_a_reused_process_id_is_not_alive_and_a_process_on_another_machine_is() -> None:
    current = RunProcess.current()
    assert current.is_alive()
    assert not current.model_copy(update={"started": current.started - 100}).is_alive()
    assert current.model_copy(update={"started": 0, "host": "elsewhere"}).is_alive()
