"""Chooses the one earlier run that all stored inputs of a run come from.

The outputs of one run are consistent, because its nodes read what the run itself wrote. A run that starts from stored
datasets takes all of them from one earlier run, its ``from_run``, so that its outputs are consistent with that run's.
If a run rewrites a dataset, everything that was derived from the old version is stale.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .manifest import Manifests
from .storage import CatalogStorage, StoredDataset
from .verification import check_versions


class LineageError(Exception):
    """Stored inputs that do not come from one run, or were changed since."""


@dataclass(frozen=True)
class _Origin:
    """The run that wrote a dataset, and all datasets that it was derived from."""

    run_id: str
    ancestors: frozenset[str]


def view_runs(manifests: Manifests) -> dict[str, dict[str, str]]:
    """Return the datasets of each run, with their versions: those it wrote, and those of its ``from_run`` not stale.

    An example. Run 1 trains everything. Run 2 computes new features from the battles of run 1. Then run 2 has the new
    features and the old battles, but no model: that of run 1 was fitted to other features.
    """
    views: dict[str, dict[str, _Origin]] = {}
    for run_id, manifest in manifests.items():
        # Versions from --load-versions can come from any run: only the run's own outputs are surely consistent.
        base = {} if manifest.load_versions else views.get(manifest.from_run or "", {})
        ancestors = {name: origin.ancestors for name, origin in base.items()}
        # Nodes are recorded in the order in which they run.
        for node in manifest.nodes:
            derived_from = frozenset(node.inputs).union(*(ancestors.get(name, frozenset()) for name in node.inputs))
            ancestors.update(dict.fromkeys(node.outputs, derived_from))
        written = manifest.written_versions
        kept = {name: origin for name, origin in base.items() if name not in written and not origin.ancestors & written}
        views[run_id] = {**kept, **{name: _Origin(run_id, ancestors[name]) for name in written}}
    return {run_id: {name: origin.run_id for name, origin in view.items()} for run_id, view in views.items()}


def choose_run(names: Iterable[str], manifests: Manifests, run_id: str | None = None) -> tuple[str, dict[str, str]]:
    """Return the id of the run to take stored datasets from, and the version of each dataset.

    Args:
        names: The datasets that are needed, at least one.
        manifests: All manifests.
        run_id: The run to take; None takes the newest completed run that has all of them.

    Raises:
        LineageError: If that run, or every completed run, lacks one of them; it lists which runs have which.
    """
    needed = sorted(names)
    views = view_runs(manifests)
    completed = [other for other, manifest in manifests.items() if manifest.status == "completed"]
    for other in [run_id] if run_id else reversed(completed):
        if set(needed) <= set(views[other]):
            return other, {name: views[other][name] for name in needed}
    missing = sorted(set(needed) - set(views[run_id])) if run_id else needed
    lines = []
    for name in missing:
        runs = [other for other in reversed(completed) if name in views[other]]
        lines.append(f"  {name:<{max(map(len, missing))}}  {'in ' + ', '.join(runs[:3]) if runs else 'in no run'}\n")
    raise LineageError(
        f"{f'Run {run_id} lacks' if run_id else 'No completed run has all'} {len(missing)} of the {len(needed)} stored "
        f"datasets that this run starts from. Completed runs with them:\n{''.join(lines)}"
        "Choose another run with --params=from_run=RUN (`kedro runs list` shows them), or write all datasets in one "
        "run: `kedro run`, or `kedro run --pipelines=A,B` for those of A and B. After a run with --tags=train, a stage "
        "needs --tags=train, too: it would otherwise start from the datasets of both splits."
    )


def read_versions(
    versions: Mapping[str, str], manifests: Manifests, storage: CatalogStorage
) -> dict[str, StoredDataset]:
    """Return the records of versions, unchanged since their run wrote them; without a manifest they need only exist.

    Raises:
        LineageError: If versions are missing or have other bytes; it lists all of them.
    """
    expected = {
        (name, version): manifests[version].written.get(name) if version in manifests else None
        for name, version in versions.items()
    }
    stored, problems = check_versions(expected, storage)
    if problems:
        raise LineageError(
            "\n  ".join(["These stored datasets are not what their run wrote:", *problems]) + "\n"
            "Restore the files, choose another run with --params=from_run=RUN (`kedro runs list` shows them), or write "
            "them again with `kedro run`."
        )
    return {name: record for (name, _), record in stored.items()}
