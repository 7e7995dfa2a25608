"""A judge of a few lines, and the service of a judge: in this process, and behind a real port."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import uvicorn
from fastapi.testclient import TestClient

from arena_preference.judge import Ranking, Reason
from arena_preference.serving import ServiceSettings, create_app


class LengthJudge:
    """Prefers the longer response. It records its calls, and waits in them while it is not ``free``."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.free = threading.Event()
        self.free.set()
        self.manifest = SimpleNamespace(
            run_id="2026-01-01T00.00.00.000Z",
            name="small",
            started=datetime(2026, 1, 1, tzinfo=UTC),
            metrics={"log_loss": 0.99},
            written={"preference_model": SimpleNamespace(sha256="ab" * 32)},
            packages={"catboost": "1.2.8"},
        )

    def _begin(self, name: str, items: Sequence[Any]) -> None:
        self.calls.append((name, len(items)))
        assert self.free.wait(20)
        if "a bug" in str(items):
            raise KeyError(str(items))

    def predict_pairs(self, pairs: Sequence[Any], *, context: str = "none") -> np.ndarray:
        self._begin(f"pairs, {context}", pairs)
        lengths = np.array([[len(str(a)), len(str(b)), 3.0] for _, a, b in pairs])
        return lengths / lengths.sum(axis=1, keepdims=True)

    def rank_many(self, requests: Sequence[Any], *, context: str = "batch") -> list[Ranking]:
        self._begin(f"rank, {context}", requests)
        rankings = []
        for _, responses in requests:
            lengths = np.array([len(str(response)) for response in responses], dtype=float)
            matrix = lengths[:, None] / (lengths[:, None] + lengths + 3)
            np.fill_diagonal(matrix, 0)
            rankings.append(Ranking(matrix))
        return rankings

    def explain(self, prompt: Any, a: Any, b: Any) -> list[Reason]:
        self._begin("explain", [(prompt, a, b)])
        side = "a" if len(a) > len(b) else "b"
        return [Reason(f"{side.upper()} is longer", side, 0.5, "characters__reldiff")]

    def reward(self, prompts: list[str], completions: list[str], *, references: Any = None) -> list[float]:
        self._begin("reward", prompts)
        return [float(len(completion)) for completion in completions]


@pytest.fixture
def judge() -> LengthJudge:
    return LengthJudge()


MakeClient = Callable[..., AbstractContextManager[TestClient]]


@pytest.fixture
def make_client(judge: LengthJudge) -> MakeClient:
    """Start the service in this process: ``make_client(timeout=1)`` for settings, ``judge=...`` for another judge."""

    @contextlib.contextmanager
    def make(judge: Any = judge, *, wait: bool = True, **settings: Any) -> Iterator[TestClient]:
        app = create_app(judge, ServiceSettings(**{"token": None, **settings}))
        with TestClient(app, base_url="http://127.0.0.1") as client:
            while wait and app.state.service.state == "loading":
                time.sleep(0.01)
            yield client

    return make


@pytest.fixture
def client(make_client: MakeClient) -> Iterator[TestClient]:
    with make_client() as client:
        yield client


@pytest.fixture
def start_server() -> Iterator[Callable[..., str]]:
    """Start the service of a judge on a free port of this machine and return its address."""
    running = []

    def start(judge: Any, **settings: Any) -> str:
        app = create_app(judge, ServiceSettings(**{"token": None, **settings}))
        server = uvicorn.Server(uvicorn.Config(app, port=0, access_log=False, log_config=None))
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        while not (server.started and app.state.service.state == "ready"):
            time.sleep(0.01)
        return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join()
