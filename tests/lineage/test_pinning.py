"""Consistency of stored datasets, and the choice of a run."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kedro.io import CatalogConfigResolver

from arena_preference.lineage.manifest import Manifest
from arena_preference.lineage.pinning import LineageError, choose_run, read_versions, view_runs
from arena_preference.lineage.storage import CatalogStorage


def _by_id(*manifests: Manifest) -> dict[str, Manifest]:
    return {manifest.run_id: manifest for manifest in manifests}


def test_a_complete_run_has_its_own_outputs(make_manifest) -> None:
    views = view_runs(_by_id(make_manifest("1")))
    assert views == {"1": {"battles": "1", "features": "1", "model": "1", "scores": "1"}}


def test_what_was_derived_from_a_rewritten_dataset_is_stale(make_manifest) -> None:
    views = view_runs(_by_id(make_manifest("1"), make_manifest("2", ["describe"], from_run="1")))
    assert views["2"] == {"battles": "1", "features": "2"}


def test_what_was_not_derived_from_a_rewritten_dataset_is_kept(make_manifest) -> None:
    views = view_runs(_by_id(make_manifest("1"), make_manifest("2", ["score"], from_run="1")))
    assert views["2"] == {"battles": "1", "features": "1", "model": "1", "scores": "2"}


def test_a_run_with_load_versions_has_only_its_own_outputs(make_manifest) -> None:
    manifests = _by_id(make_manifest("1"), make_manifest("2", ["score"], from_run="1", load_versions={"model": "0"}))
    assert view_runs(manifests)["2"] == {"scores": "2"}


def test_a_run_whose_from_run_was_removed_has_only_its_own_outputs(make_manifest) -> None:
    assert view_runs(_by_id(make_manifest("2", ["score"], from_run="1")))["2"] == {"scores": "2"}


def test_a_chain_of_thousands_of_runs_is_followed(make_manifest) -> None:
    runs = [f"{number:05}" for number in range(3000)]
    first, *others = runs
    chain = [make_manifest(run_id, ["score"], from_run=before) for before, run_id in zip(runs, others, strict=False)]
    view = view_runs(_by_id(make_manifest(first), *chain))[runs[-1]]
    assert view == {"battles": first, "features": first, "model": first, "scores": runs[-1]}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(st.sampled_from([["parse"], ["describe"], ["train"], ["score"], ["describe", "train"]]), max_size=6)
)
def test_no_view_has_a_dataset_older_than_what_it_was_derived_from(make_manifest, parts: list[list[str]]) -> None:
    manifests = _by_id(make_manifest("0"))
    for number, nodes in enumerate(parts, start=1):
        manifests[str(number)] = make_manifest(str(number), nodes, from_run=str(number - 1))
    derived_from = {"features": ["battles"], "model": ["features"], "scores": ["model", "features"]}
    for view in view_runs(manifests).values():
        for name, version in view.items():
            assert all(view[ancestor] <= version for ancestor in derived_from.get(name, []) if ancestor in view)


def test_the_newest_completed_run_with_all_datasets_is_chosen(make_manifest) -> None:
    manifests = _by_id(
        make_manifest("1"),
        make_manifest("2"),
        make_manifest("3", status="failed"),
        make_manifest("4", ["parse"]),
    )
    assert choose_run(["model", "features"], manifests) == ("2", {"features": "2", "model": "2"})
    assert choose_run(["battles"], manifests) == ("4", {"battles": "4"})


def test_a_requested_run_is_used_even_if_it_failed(make_manifest) -> None:
    manifests = _by_id(make_manifest("1", ["parse", "describe"], status="failed"), make_manifest("2"))
    assert choose_run(["features"], manifests, "1") == ("1", {"features": "1"})


def test_a_mixture_is_rejected_with_the_runs_that_have_each_dataset(make_manifest) -> None:
    manifests = _by_id(
        make_manifest("1"), make_manifest("2", ["describe"], from_run="1"), make_manifest("3", ["parse"])
    )
    with pytest.raises(LineageError, match="2 of the 2 stored datasets") as rejected:
        choose_run(["model", "nothing"], manifests)
    assert "  model    in 1\n  nothing  in no run\n" in str(rejected.value)
    with pytest.raises(LineageError, match=r"Run 2 lacks 1 of the 2 stored datasets(.|\n)*  model  in 1\n"):
        choose_run(["model", "battles"], manifests, "2")


def _storage(folder: Path) -> CatalogStorage:
    model = {"type": "json.JSONDataset", "filepath": "model", "versioned": True}
    return CatalogStorage(CatalogConfigResolver({"model": model}), folder)


def _write(folder: Path, content: str) -> None:
    file = folder / "model" / "1" / "model"
    file.parent.mkdir(parents=True)
    file.write_text(content)


def test_missing_versions_are_listed(tmp_path: Path) -> None:
    with pytest.raises(LineageError, match=r"\n  model, version 1: .*model/1/model is missing\n"):
        read_versions({"model": "1"}, {}, _storage(tmp_path))


def test_changed_versions_are_listed(make_manifest, tmp_path: Path) -> None:
    _write(tmp_path, "weights")
    with pytest.raises(LineageError, match=r"\n  model, version 1: .* has 7 bytes"):
        read_versions({"model": "1"}, {"1": make_manifest("1", ["train"])}, _storage(tmp_path))


def test_unchanged_versions_and_those_without_a_manifest_are_read(make_manifest, tmp_path: Path) -> None:
    _write(tmp_path, "weights")
    stored = read_versions({"model": "1"}, {}, _storage(tmp_path))
    assert (stored["model"].path, stored["model"].size) == ("model/1/model", 7)
    manifest = make_manifest("1", ["train"], written=stored)
    assert read_versions({"model": "1"}, {"1": manifest}, _storage(tmp_path)) == stored
