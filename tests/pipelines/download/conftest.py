"""Stand-ins for the Hub and for Kaggle on this machine, which the official clients are sent to."""

import base64
import gc
import hashlib
import json
import re
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest

from arena_preference.pipelines.download.config import DownloadConfig

HUB_TOKEN = "hf_stranger0secret0hub"  # noqa: S105
KAGGLE_TOKEN = "KGAT_stranger0secret0kaggle"  # noqa: S105
REVISION = "a" * 40
#: Bytes that a client writes at a time: a part of these files, as its own megabytes are a part of the real ones.
CHUNK = 4000


class StandIn(ThreadingHTTPServer):
    """Serves files as both services do: an address that knows the token sends on to one that needs none."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.refuses_with: int | None = None
        self.listings: dict[str, list[str]] = {}
        """Names of the files of the Hub's datasets."""
        self.gates: dict[str, set[str | None]] = {}
        """Who may have the files of a dataset, by the header with the token; all may, if it is not here."""
        self.cuts: list[int] = []
        """After how many bytes the next transfers break off."""
        self.damages = False
        self.tokens: list[tuple[str, str | None]] = []
        self.ranges: list[str | None] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_HEAD(self) -> None:
        if self.path.startswith("/page/"):
            self.send_response(200)
            self.end_headers()
        else:
            self._send_on(self.path.rpartition("/")[2])

    def do_GET(self) -> None:
        file = self.path.partition("?")[0].rpartition("/")[2]
        if self.path.startswith("/page/"):
            self.send_response(200)
            self.end_headers()
        elif self.path.startswith("/api/"):
            self._list()
        elif self.path.startswith("/signed/"):
            self._transfer(file)
        else:
            self._send_on(file)

    def do_POST(self) -> None:
        self._send_on(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["fileName"])

    def _list(self) -> None:
        """Answer as the Hub does, which also tells strangers what a gated dataset holds."""
        name = self.path.removeprefix("/api/datasets/").partition("/revision/")[0]
        found = name in self.server.listings
        siblings = [{"rfilename": file} for file in self.server.listings.get(name, [])]
        content = json.dumps({"id": name, "sha": REVISION, "siblings": siblings}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _send_on(self, file: str) -> None:
        token = self.headers["Authorization"]
        self.server.tokens.append((self.command, token))
        status = self.server.refuses_with or (302 if file in self.server.files else 404)
        for name, admitted in self.server.gates.items():
            if f"/{name}/" in self.path and token not in admitted:
                status = 403 if token else 401
        self.send_response(status)
        if status == 302:
            content = self.server.files[file]
            self.send_header("X-Repo-Commit", REVISION)
            self.send_header("X-Linked-Etag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Linked-Size", str(len(content)))
            # Another host to the clients, as localhost is to 127.0.0.1.
            self.send_header("Location", f"http://localhost:{self.server.server_port}/signed/{file}?signature=s3cret")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _transfer(self, file: str) -> None:
        self.server.tokens.append(("signed", self.headers["Authorization"]))
        content = self.server.files[file]
        wanted = self.headers["Range"]
        self.server.ranges.append(wanted)
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted else 0
        part = content[start:]
        self.send_response(206 if wanted else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        md5 = hashlib.md5(content, usedforsecurity=False).digest()
        self.send_header("X-Goog-Hash", f"md5={base64.b64encode(md5).decode()}")
        self.send_header("Last-Modified", "Thu, 02 May 2024 10:00:00 GMT")
        self.end_headers()
        if self.server.damages:
            part = part[:-1] + b"?"
        cut = self.server.cuts.pop(0) if self.server.cuts else len(part)
        self.wfile.write(part[:cut])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(files: dict[str, bytes]) -> Iterator[StandIn]:
    """Serve files on this machine, as long as the context lasts."""
    with StandIn(files) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def make_table(battles: int) -> pd.DataFrame:
    """Battles as in the competition's train.csv, three to a prompt, every eleventh of them unusable."""
    rows = []
    for number in range(battles):
        winner = number % 3
        rows.append(
            {
                "id": str(4_000_000_000 + number),
                "model_a": "alpha",
                "model_b": "beta",
                "prompt": json.dumps([f"Question {number // 3}, \ud83d?", f"And {number}?"]),
                "response_a": json.dumps(["Yes, it is.\n" * 20, None]),
                "response_b": "not JSON" if number % 11 == 0 else json.dumps(["No", ""]),
                **{name: str(int(winner == place)) for place, name in enumerate(("winner_model_a", "winner_model_b"))},
                "winner_tie": str(int(winner == 2)),
            }
        )
    return pd.DataFrame(rows)


@pytest.fixture
def table() -> pd.DataFrame:
    return make_table(240)


@pytest.fixture
def files(table: pd.DataFrame) -> dict[str, bytes]:
    test = table.head(3)[["id", "prompt", "response_a", "response_b"]]
    return {name: part.to_csv(index=False).encode() for name, part in (("train.csv", table), ("test.csv", test))}


@pytest.fixture
def server(files: dict[str, bytes]) -> Iterator[StandIn]:
    with serve(files) as server:
        yield server


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home without any token."""
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(home / ".kaggle"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(home / "kagglehub"))
    return home


def send_hub_client(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Let the Hub's client take an address for the Hub."""
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    for module in ("constants", "file_download"):
        monkeypatch.setattr(f"huggingface_hub.{module}.HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)


@pytest.fixture
def hub(server: StandIn, home: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The Hub, for the client in this process; HF_ENDPOINT is read where the client is imported."""
    send_hub_client(monkeypatch, server.address)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.utils._cache_assets.HF_ASSETS_CACHE", str(home / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", CHUNK)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    monkeypatch.setenv("HF_TOKEN", HUB_TOKEN)
    return server


@pytest.fixture
def kaggle(server: StandIn, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Kaggle, for its client: its own setting chooses among fixed addresses, of which one is this server's here."""
    kaggle_env = pytest.importorskip("kagglesdk.kaggle_env")
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, server.address)
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("KAGGLE_API_TOKEN", KAGGLE_TOKEN)
    monkeypatch.setattr("kagglehub.clients.CHUNK_SIZE", CHUNK)
    yield server
    # The client leaves connections open after an error; they are to be none of another test's warnings.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def read_only_disk(small_disk: Path) -> Path:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    return small_disk


@pytest.fixture
def make_options(files: dict[str, bytes]) -> Callable[..., DownloadConfig]:
    def make(source: str, test_battles: int = 39, **changes: object) -> DownloadConfig:
        known = {"train_rows": 240, "train_sha256": hashlib.sha256(files["train.csv"]).hexdigest()}
        hub = {"dataset": "acme/battles", "revision": REVISION, "test_battles": test_battles}
        settings = {"source": source, "competition": "acme", "hub": hub, "also": [], "datasets": {}}
        return DownloadConfig(**{**settings, **known, **changes})

    return make
