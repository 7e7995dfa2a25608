"""Which run the stored datasets that a run starts from come from: one, and never a mixture.

What a run wrote fits together, because within a run each node reads what the run itself wrote. A run that starts from
stored datasets takes all of them from one earlier run, its ``from_run``. What it writes therefore fits together with
what that run wrote, except for what was made of something that it has now written anew: see ``view_runs``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .manifest import Manifest
from .storage import CatalogStorage, StoredDataset


class LineageError(Exception):
    """Stored datasets that do not come from one run, or are not what that run wrote."""


@dataclass(frozen=True)
class _Origin:
    """The run that wrote a dataset, and all the datasets that it was made of, directly or not."""

    run_id: str
    ancestors: frozenset[str]


def view_runs(manifests: Mapping[str, Manifest]) -> dict[str, dict[str, str]]:
    """Give the stored datasets that fit together with each run: those it wrote, and what of its ``from_run`` holds.

    An example. Run 1 trains everything. Run 2 computes new features from the battles of run 1. Then run 2 has the new
    features and the old battles, but no model: the one of run 1 was made of other features.

    Args:
        manifests: All manifests by run id, from the oldest to the newest.

    Returns:
        For each run, name of each versioned dataset to the id of the run that wrote it, which is its version.
    """
    views: dict[str, dict[str, _Origin]] = {}
    for run_id, manifest in manifests.items():
        # Versions named one by one may come from anywhere, and then only the run's own outputs fit together for sure.
        base = {} if manifest.load_versions else views.get(manifest.from_run or "", {})
        ancestors = {name: origin.ancestors for name, origin in base.items()}
        # Nodes are recorded in the order in which they run.
        for node in manifest.nodes:
            made_of = frozenset(node.inputs).union(*(ancestors.get(name, frozenset()) for name in node.inputs))
            ancestors.update(dict.fromkeys(node.outputs, made_of))
        written = manifest.written_versions
        kept = {name: origin for name, origin in base.items() if name not in written and not origin.ancestors & written}
        views[run_id] = {**kept, **{name: _Origin(run_id, ancestors[name]) for name in written}}
    return {run_id: {name: origin.run_id for name, origin in view.items()} for run_id, view in views.items()}


def choose_run(
    names: Iterable[str], manifests: Mapping[str, Manifest], run_id: str | None = None
) -> tuple[str, dict[str, str]]:
    """Choose the run to take stored datasets from.

    Args:
        names: The datasets that are needed, at least one.
        manifests: All manifests by run id, from the oldest to the newest.
        run_id: The run to take; None takes the newest that completed and has all of them.

    Returns:
        The run's id, and the version of each needed dataset.

    Raises:
        LineageError: If that run does not have all of them, or no complete run has. It says what comes from where.
    """
    needed = sorted(names)
    views = view_runs(manifests)
    completed = [other for other, manifest in manifests.items() if manifest.status == "completed"]
    for other in [run_id] if run_id else reversed(completed):
        if set(needed) <= set(views[other]):
            return other, {name: views[other][name] for name in needed}
    if run_id:
        missing = sorted(set(needed) - set(views[run_id]))
        raise LineageError(
            f"Run {run_id} does not have {len(missing)} of the {len(needed)} stored datasets that this run starts from:"
            f"\n{_list_origins(missing, completed, views)}\n"
            "Take another run with --params=from_run=ID, or run what makes them too."
        )
    raise LineageError(
        f"No complete run has all of the {len(needed)} stored datasets that this run starts from:\n"
        f"{_list_origins(needed, completed, views)}\n"
        "Make them in one run: `kedro run` makes everything, `kedro run --pipelines=A,B` what A and B make. "
        "`kedro runs list` shows the runs that there are."
    )


def check_files(stored: Mapping[str, StoredDataset], manifests: Mapping[str, Manifest]) -> None:
    """See that what is going to be read is what its run wrote.

    Args:
        stored: What lies there now, by name of the dataset.
        manifests: All manifests by run id.

    Raises:
        LineageError: If a file has other bytes than its run wrote. It names them all.
    """
    changed = []
    for name, now in stored.items():
        writer = manifests.get(now.version or "")
        recorded = writer.written.get(name) if writer else None
        if recorded and recorded.sha256 != now.sha256:
            changed.append(
                f"  {name}, version {now.version}: {now.path} has {now.size} bytes, SHA-256 {now.sha256[:12]}..., "
                f"written were {recorded.size} bytes, SHA-256 {recorded.sha256[:12]}..."
            )
    if changed:
        raise LineageError(
            "These files are not what their run wrote:\n" + "\n".join(changed) + "\n"
            "Put the right files back, take another run with --params=from_run=ID (`kedro runs list` shows them), or "
            "make them anew with `kedro run`."
        )


def measure_versions(versions: Mapping[str, str], storage: CatalogStorage) -> dict[str, StoredDataset]:
    """Read the size and hash of versions.

    Args:
        versions: Version by name of the dataset.
        storage: Where they lie.

    Raises:
        LineageError: If one is not there. It names them all.
    """
    places = {name: storage.locate(name, version) for name, version in versions.items()}
    gone = [f"  {name}, version {versions[name]}: {place.path}" for name, place in places.items() if not place.exists()]
    if gone:
        raise LineageError(
            "These files are no longer there, although their run wrote them:\n" + "\n".join(gone) + "\n"
            "Put them back, take another run with --params=from_run=ID (`kedro runs list` shows them), or make them "
            "anew with `kedro run`."
        )
    return {name: storage.record(place, versions[name]) for name, place in places.items()}


def _list_origins(names: list[str], completed: list[str], views: Mapping[str, Mapping[str, str]]) -> str:
    """Say for each dataset in which complete runs it is, the newest first."""
    width = max(map(len, names))
    lines = []
    for name in names:
        runs = [run_id for run_id in reversed(completed) if name in views[run_id]]
        lines.append(f"  {name:<{width}}  {'in ' + ', '.join(runs[:3]) if runs else 'in no complete run'}")
    return "\n".join(lines)
