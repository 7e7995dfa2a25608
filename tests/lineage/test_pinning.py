"""Which stored datasets fit together."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kedro.io import CatalogConfigResolver

from arena_preference.lineage.manifest import Manifest
from arena_preference.lineage.pinning import LineageError, check_files, choose_run, measure_versions, view_runs
from arena_preference.lineage.storage import CatalogStorage, StoredDataset


def _by_id(*manifests: Manifest) -> dict[str, Manifest]:
    return {manifest.run_id: manifest for manifest in manifests}


def test_a_whole_run_has_what_it_wrote(make_manifest) -> None:
    views = view_runs(_by_id(make_manifest("1")))
    assert views == {"1": {"battles": "1", "features": "1", "model": "1", "scores": "1"}}


def test_what_was_made_of_something_written_anew_no_longer_fits(make_manifest) -> None:
    views = view_runs(_by_id(make_manifest("1"), make_manifest("2", ["describe"], from_run="1")))
    assert views["2"] == {"battles": "1", "features": "2"}


def test_what_was_not_made_of_it_still_fits(make_manifest) -> None:
    views = view_runs(_by_id(make_manifest("1"), make_manifest("2", ["score"], from_run="1")))
    assert views["2"] == {"battles": "1", "features": "1", "model": "1", "scores": "2"}


def test_versions_named_one_by_one_leave_only_what_the_run_wrote(make_manifest) -> None:
    manifests = _by_id(make_manifest("1"), make_manifest("2", ["score"], from_run="1", load_versions={"model": "0"}))
    assert view_runs(manifests)["2"] == {"scores": "2"}


def test_a_run_whose_origin_was_removed_has_what_it_wrote(make_manifest) -> None:
    assert view_runs(_by_id(make_manifest("2", ["score"], from_run="1")))["2"] == {"scores": "2"}


def test_thousands_of_runs_built_on_each_other_are_no_trouble(make_manifest) -> None:
    runs = [f"{number:05}" for number in range(3000)]
    first, *others = runs
    chain = [make_manifest(run_id, ["score"], from_run=before) for before, run_id in zip(runs, others, strict=False)]
    view = view_runs(_by_id(make_manifest(first), *chain))[runs[-1]]
    assert view == {"battles": first, "features": first, "model": first, "scores": runs[-1]}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(st.sampled_from([["parse"], ["describe"], ["train"], ["score"], ["describe", "train"]]), max_size=6)
)
def test_no_view_has_a_dataset_older_than_what_it_was_made_of(make_manifest, parts: list[list[str]]) -> None:
    manifests = _by_id(make_manifest("0"))
    for number, nodes in enumerate(parts, start=1):
        manifests[str(number)] = make_manifest(str(number), nodes, from_run=str(number - 1))
    made_of = {"features": ["battles"], "model": ["features"], "scores": ["model", "features"]}
    for view in view_runs(manifests).values():
        for name, version in view.items():
            assert all(view[ancestor] <= version for ancestor in made_of.get(name, []) if ancestor in view)


def test_the_newest_complete_run_with_everything_is_chosen(make_manifest) -> None:
    manifests = _by_id(
        make_manifest("1"),
        make_manifest("2"),
        make_manifest("3", status="failed"),
        make_manifest("4", ["parse"]),
    )
    assert choose_run(["model", "features"], manifests) == ("2", {"features": "2", "model": "2"})
    assert choose_run(["battles"], manifests) == ("4", {"battles": "4"})


def test_a_named_run_is_taken_even_when_it_failed_later_on(make_manifest) -> None:
    manifests = _by_id(make_manifest("1", ["parse", "describe"], status="failed"), make_manifest("2"))
    assert choose_run(["features"], manifests, "1") == ("1", {"features": "1"})


def test_a_mixture_is_refused_with_where_each_dataset_is(make_manifest) -> None:
    manifests = _by_id(
        make_manifest("1"), make_manifest("2", ["describe"], from_run="1"), make_manifest("3", ["parse"])
    )
    with pytest.raises(LineageError) as refused:
        choose_run(["model", "nothing"], manifests)
    assert "No complete run has all of the 2 stored datasets" in str(refused.value)
    assert "  model    in 1\n  nothing  in no complete run\n" in str(refused.value)
    with pytest.raises(LineageError, match=r"Run 2 does not have 1 of the 2 stored datasets(.|\n)*  model  in 1\n"):
        choose_run(["model", "battles"], manifests, "2")


def _storage(folder: Path) -> CatalogStorage:
    model = {"type": "json.JSONDataset", "filepath": "model", "versioned": True}
    return CatalogStorage(CatalogConfigResolver({"model": model}), folder)


def test_versions_that_are_gone_are_named(tmp_path: Path) -> None:
    with pytest.raises(LineageError, match=r"no longer there(.|\n)*  model, version 1: .*model/1/model\n"):
        measure_versions({"model": "1"}, _storage(tmp_path))


def test_versions_that_were_changed_are_named(make_manifest, tmp_path: Path) -> None:
    file = tmp_path / "model" / "1" / "model"
    file.parent.mkdir(parents=True)
    file.write_text("weights")
    stored = measure_versions({"model": "1"}, _storage(tmp_path))
    assert stored["model"].path == "model/1/model"
    assert stored["model"].size == 7
    manifest = make_manifest("1", ["train"])
    with pytest.raises(LineageError, match=r"not what their run wrote(.|\n)*  model, version 1: .* has 7 bytes"):
        check_files(stored, {"1": manifest})
    check_files(stored, {"1": manifest.model_copy(update={"written": stored})})


def test_a_version_without_a_manifest_can_be_named_but_not_checked() -> None:
    check_files({"model": StoredDataset(path="model", version="0", size=1, sha256="1" * 64)}, {})
