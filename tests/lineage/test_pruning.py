"""Which runs to keep."""

import pytest

from arena_preference.lineage.environment import RunProcess
from arena_preference.lineage.pruning import choose_runs_to_keep


@pytest.fixture
def manifests(make_manifest):
    """Runs 2 and 5 build on 1 and 3; run 4 failed; run 6 was killed."""
    runs = [
        make_manifest("1"),
        make_manifest("2", ["score"], from_run="1"),
        make_manifest("3"),
        make_manifest("4", status="failed"),
        make_manifest("5", ["score"], from_run="3"),
        make_manifest("6", status="running", process=RunProcess.current().model_copy(update={"started": 0})),
    ]
    return {run.run_id: run for run in runs}


@pytest.mark.parametrize(("keep", "kept"), [(0, ""), (1, "35"), (2, "35"), (3, "1235"), (4, "1235"), (100, "1235")])
def test_the_newest_completed_runs_are_kept_with_what_they_need(manifests, keep: int, kept: str) -> None:
    assert choose_runs_to_keep(manifests, keep) == set(kept)


def test_named_runs_are_kept_with_what_they_need_and_are_not_counted(manifests) -> None:
    manifests["2"].name = "best"
    manifests["4"].name = "to look into"
    assert choose_runs_to_keep(manifests, 0) == set("124")
    assert choose_runs_to_keep(manifests, 1) == set("12345")


def test_running_runs_are_kept(manifests) -> None:
    manifests["6"].process = RunProcess.current()
    assert choose_runs_to_keep(manifests, 0) == {"6"}


def test_runs_are_needed_at_any_depth(make_manifest) -> None:
    runs = [make_manifest("1"), *(make_manifest(str(run), ["score"], from_run=str(run - 1)) for run in (2, 3, 4))]
    assert choose_runs_to_keep({run.run_id: run for run in runs}, 1) == set("1234")
