"""Uploading a bundle with Kaggle's own client, to a server that this test starts."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click
import pytest

from arena_preference.kaggle.commands import upload_bundle

kaggle_env = pytest.importorskip("kagglesdk.kaggle_env")


class FakeKaggle(ThreadingHTTPServer):
    """Responds as Kaggle does to what an upload requests."""

    daemon_threads = True

    def __init__(self, *, exists: bool = False, knows_token: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.knows_token = knows_token
        self.exists = exists
        self.requests: list[tuple[str, Any]] = []
        self.uploaded: list[bytes] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeKaggle

    def do_POST(self) -> None:
        request = json.loads(self._read())
        method = self.path.rpartition("/")[2]
        self.server.requests.append((method, request))
        if not self.server.knows_token:
            self._answer({"code": 401, "message": "Unauthenticated"}, status=401)
        elif method == "Hello":
            self._answer({"userName": "someone"})
        elif method == "StartBlobUpload":
            self._answer({"token": "blob-1", "createUrl": f"{self.server.address}/blob"})
        elif method == "CreateDataset" and self.server.exists:
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

    def start(**options: Any) -> FakeKaggle:
        server = FakeKaggle(**options)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, server.address)
        monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_secret")
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("exists", [False, True])
def test_a_bundle_becomes_a_private_dataset_or_a_new_version_of_it(
    bundle: Path, start_server, exists: bool, caplog: pytest.LogCaptureFixture
) -> None:
    server = start_server(exists=exists)
    assert upload_bundle(bundle, "Run 1") == "kaggle.com/datasets/someone/arena-preference"
    assert server.uploaded == [b"{}"]
    method, request = server.requests[-1]
    if exists:
        assert method == "CreateDatasetVersion"
        assert request["body"]["versionNotes"] == "Run 1"
    else:
        assert method == "CreateDataset"
        assert (request["ownerSlug"], request["slug"], request["isPrivate"]) == ("someone", "arena-preference", True)
    assert "secret" not in caplog.text


def test_an_invalid_token_is_an_error_with_a_suggestion(bundle: Path, start_server) -> None:
    start_server(knows_token=False)
    with pytest.raises(click.ClickException, match=r"kaggle\.com/settings"):
        upload_bundle(bundle, "Run 1")


def test_without_the_network_the_bundle_is_kept(bundle: Path, start_server) -> None:
    server = start_server()
    server.shutdown()
    server.server_close()
    with pytest.raises(click.ClickException, match=r"kaggle\.com/datasets"):
        upload_bundle(bundle, "Run 1")
    assert (bundle / "bundle.json").exists()


def test_without_a_token_nothing_is_uploaded(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(bundle))
    monkeypatch.setenv("HOME", str(bundle))
    assert upload_bundle(bundle, "Run 1") is None
