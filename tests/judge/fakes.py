"""A judge that prefers the longer response, for tests of what is around it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from arena_preference.battles import ID, LABEL_COLUMNS
from arena_preference.datasets import RawTable
from arena_preference.judge import Preference, Ranking, Reason
from arena_preference.lineage.environment import RunProcess
from arena_preference.lineage.manifest import Manifest
from arena_preference.pipelines.ingestion.config import IngestionConfig
from arena_preference.pipelines.ingestion.parsing import parse_test_battles

RUN = "2026-11-28T01.14.01.249Z"
INGESTION = {
    "format": None,
    "max_rejected": 0.1,
    "allow_benchmarks": False,
    "main_source": None,
    "source_weights": {},
    "strength_weights": False,
    "n_splits": 5,
    "fold_groups": [],
    "sample_fraction": 1.0,
}


def make_manifest(run_id: str = RUN, **changes: Any) -> Manifest:
    fields = {
        "run_id": run_id,
        "status": "completed",
        "started": datetime(2026, 11, 28, tzinfo=UTC),
        "command": "kedro run",
        "environment": "local",
        "pipelines": ["__default__"],
        "runner": "SequentialRunner",
        "parameters": {"ingestion": INGESTION},
        "git_commit": None,
        "git_dirty": None,
        "packages": {"arena-preference": "0.1.0"},
        "machine": {},
        "process": RunProcess(host="here", pid=1, started=0.0),
        "nodes": [],
    }
    return Manifest(**{**fields, **changes})


class FakeJudge:
    """The methods of a judge that commands call; ``before_call`` may raise."""

    def __init__(
        self, before_call: Callable[[int], None] = lambda call: None, manifest: Manifest | None = None
    ) -> None:
        self.manifest = manifest or make_manifest()
        self.sizes: list[int] = []
        self._before_call = before_call

    def predict_tables(self, tables: Sequence[RawTable], *, context: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        self._before_call(len(self.sizes))
        self.sizes.append(sum(len(table.rows) for table in tables))
        battles, rejected = self.read_tables(tables)
        lengths = [battles[name].map(lambda turns: len(str(turns))) for name in ("response_a", "response_b")]
        table = pd.DataFrame(_predict(*lengths), columns=list(LABEL_COLUMNS))
        table.insert(0, ID, battles[ID])
        return table, rejected

    def read_tables(self, tables: Sequence[RawTable]) -> tuple[pd.DataFrame, pd.DataFrame]:
        battles, rejected = parse_test_battles(tables, IngestionConfig.model_validate(INGESTION))
        return battles.sort_values("row", ignore_index=True), rejected

    def compare(self, prompt: str, a: str, b: str) -> Preference:
        (probabilities,) = _predict(np.array([len(a)]), np.array([len(b)]))
        return Preference(*probabilities.tolist(), lambda: [Reason(f"{a} [bold]not markup", "a", 0.5, "length")])

    def rank_many(self, requests: Sequence[tuple[Any, Sequence[Any]]], *, context: str) -> list[Ranking]:
        self.sizes.append(len(requests))
        rankings = []
        for _, responses in requests:
            lengths = np.array([len(str(response)) for response in responses])
            i, j = np.meshgrid(range(len(lengths)), range(len(lengths)), indexing="ij")
            matrix = _predict(lengths[i].ravel(), lengths[j].ravel())[:, 0].reshape(i.shape)
            rankings.append(Ranking(matrix * (i != j)))
        return rankings


def _predict(a: Any, b: Any) -> np.ndarray:
    difference = np.asarray(a - b, dtype=float)
    logits = np.column_stack([difference / 100, -difference / 100, np.zeros(len(difference))])
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
