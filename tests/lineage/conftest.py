"""Manifests made by hand, and a small Kedro project that has nothing of this one but its hooks and commands."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from arena_preference.lineage.manifest import Manifest, NodeRecord
from arena_preference.lineage.process import RunProcess
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
    """Make the manifest of a run of some nodes of NODES, which wrote a version of each of their outputs."""

    def make(run_id: str, nodes: Iterable[str] = NODES, **fields: Any) -> Manifest:
        records = [NodeRecord(name=name, inputs=NODES[name][0], outputs=NODES[name][1]) for name in nodes]
        written = {
            name: StoredDataset(path=f"data/{name}/{run_id}/{name}", version=run_id, size=1, sha256="0" * 64)
            for record in records
            for name in record.outputs
        }
        defaults: dict[str, Any] = {
            "status": "completed",
            "started": datetime(2026, 1, 1, tzinfo=timezone.utc),
            "command": "kedro run",
            "environment": "local",
            "pipelines": ["__default__"],
            "runner": "SequentialRunner",
            "parameters": {},
            "git_commit": None,
            "git_dirty": None,
            "packages": {},
            "machine": {},
            "process": RunProcess(host="elsewhere", pid=1, began=0),
            "nodes": records,
            "written": written,
        }
        return Manifest(run_id=run_id, **{**defaults, **fields})

    return make


class SmallProject:
    """A copy of ``small_project``: numbers are doubled, the doubles added, and the sum is written out."""

    def __init__(self, folder: Path, origin: Path = Path(__file__).parent / "small_project") -> None:
        self.folder = folder
        shutil.copytree(origin, folder, dirs_exist_ok=True)
        (folder / "conf" / "local").mkdir(exist_ok=True)
        (folder / "conf" / "local" / "credentials.yml").write_text("store: {key: open sesame}")

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a kedro command."""
        return subprocess.Popen(
            [sys.executable, "-m", "kedro", *arguments],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def call(self, *arguments: str, ends_with: int = 0, **environment: str) -> str:
        """Run a kedro command to its end and give what it printed."""
        process = self.start(*arguments, **environment)
        printed, _ = process.communicate(timeout=120)
        assert process.returncode == ends_with, printed
        return printed

    def manifests(self) -> list[dict[str, Any]]:
        """Read the manifests, from the oldest to the newest."""
        return [json.loads(path.read_text()) for path in sorted((self.folder / "data/runs").glob("*.json"))]

    def version(self, dataset: str, run_id: str) -> Path:
        """Give the path of a version."""
        return self.folder / "data" / dataset / run_id / dataset


@pytest.fixture
def project(tmp_path: Path) -> SmallProject:
    return SmallProject(tmp_path)
