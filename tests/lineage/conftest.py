"""Manifests of hypothetical runs."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from arena_preference.lineage.environment import RunProcess
from arena_preference.lineage.manifest import Manifest, NodeRecord
from arena_preference.lineage.storage import StoredDataset

#: Node name to inputs and outputs, as in a training and a submission.
NODES = {
    "parse": (["raw"], ["battles"]),
    "describe": (["battles"], ["features"]),
    "train": (["features", "params:seed"], ["model"]),
    "score": (["model", "features"], ["scores"]),
}


@pytest.fixture
def make_manifest() -> Callable[..., Manifest]:
    """Return a function for the manifest of a run of some of NODES, which wrote a version of each output."""

    def make(run_id: str, nodes: Iterable[str] = NODES, **fields: Any) -> Manifest:
        records = [NodeRecord(name=name, inputs=NODES[name][0], outputs=NODES[name][1]) for name in nodes]
        written = {
            name: StoredDataset(path=f"data/{name}/{run_id}/{name}", version=run_id, size=1, sha256="0" * 64)
            for record in records
            for name in record.outputs
        }
        defaults: dict[str, Any] = {
            "status": "completed",
            "started": datetime(2026, 1, 1, tzinfo=UTC),
            "command": "kedro run",
            "environment": "local",
            "pipelines": ["__default__"],
            "runner": "SequentialRunner",
            "parameters": {},
            "git_commit": None,
            "git_dirty": None,
            "packages": {},
            "machine": {},
            "process": RunProcess(host="elsewhere", pid=1, started=0),
            "nodes": records,
            "written": written,
        }
        return Manifest(run_id=run_id, **{**defaults, **fields})

    return make
