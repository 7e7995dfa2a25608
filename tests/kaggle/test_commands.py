"""Sending a bundle to Kaggle with its own client, to a server that this test starts."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click
import pytest

from arena_preference.kaggle.commands import _upload

kaggle_env = pytest.importorskip("kagglesdk.kaggle_env")


class StandIn(ThreadingHTTPServer):
    """Answers as Kaggle does, as far as an upload asks."""

    daemon_threads = True

    def __init__(self, *, is_there_already: bool = False, knows_token: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.knows_token = knows_token
        self.is_there_already = is_there_already
        self.asked: list[tuple[str, Any]] = []
        self.uploaded: list[bytes] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_POST(self) -> None:
        request = json.loads(self._read())
        method = self.path.rpartition("/")[2]
        self.server.asked.append((method, request))
        if not self.server.knows_token:
            self._answer({"code": 401, "message": "Unauthenticated"}, status=401)
        elif method == "Hello":
            self._answer({"userName": "someone"})
        elif method == "StartBlobUpload":
            self._answer({"token": "blob-1", "createUrl": f"{self.server.address}/blob"})
        elif method == "CreateDataset" and self.server.is_there_already:
            self._answer({"error": "The dataset exists"})
        else:
            self._answer({"status": "ok", "url": "", "ref": ""})

    def do_PUT(self) -> None:
        self.server.uploaded.append(self._read())
        self._answer({})

    def _read(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def _answer(self, content: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "bundle.json").write_text("{}")
    return tmp_path


@pytest.fixture
def start_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    servers = []

    def start(**options: Any) -> StandIn:
        server = StandIn(**options)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, server.address)
        monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_secret")
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("is_there_already", [False, True])
def test_a_bundle_becomes_a_private_dataset_or_a_new_version_of_it(
    bundle: Path, start_server, is_there_already: bool, caplog: pytest.LogCaptureFixture
) -> None:
    server = start_server(is_there_already=is_there_already)
    assert _upload(bundle, "Run 1") == "kaggle.com/datasets/someone/arena-preference"
    assert server.uploaded == [b"{}"]
    method, request = server.asked[-1]
    if is_there_already:
        assert method == "CreateDatasetVersion"
        assert request["body"]["versionNotes"] == "Run 1"
    else:
        assert method == "CreateDataset"
        assert (request["ownerSlug"], request["slug"], request["isPrivate"]) == ("someone", "arena-preference", True)
    assert "secret" not in caplog.text


def test_a_token_that_kaggle_does_not_know_is_told_with_what_to_do(bundle: Path, start_server) -> None:
    start_server(knows_token=False)
    with pytest.raises(click.ClickException, match=r"did not take the bundle .*kaggle\.com/settings"):
        _upload(bundle, "Run 1")


def test_without_the_network_the_bundle_stays_and_what_to_do_is_told(bundle: Path, start_server) -> None:
    server = start_server()
    server.shutdown()
    server.server_close()
    with pytest.raises(click.ClickException, match="upload it on"):
        _upload(bundle, "Run 1")


def test_without_a_token_nothing_is_sent(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(bundle))
    monkeypatch.setenv("HOME", str(bundle))
    assert _upload(bundle, "Run 1") is None
