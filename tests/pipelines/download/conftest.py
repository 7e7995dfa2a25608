"""Servers that stand for the Hub and for Kaggle, as far as their own clients ask."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pandas as pd
import pytest

COMMIT = "a" * 40


def make_train(rows: int) -> bytes:
    """Make a train.csv of the competition, two battles to a prompt."""
    table = pd.DataFrame(
        {
            "id": range(1, rows + 1),
            "model_a": "one",
            "model_b": "another",
            "prompt": [json.dumps([f"Question {row // 2}?"]) for row in range(rows)],
            "response_a": json.dumps(['"Yes", he said.\nOr no?']),
            "response_b": json.dumps(["No \ud83d\ude00"]),
            "winner_model_a": [int(row % 3 == 0) for row in range(rows)],
            "winner_model_b": [int(row % 3 == 1) for row in range(rows)],
            "winner_tie": [int(row % 3 == 2) for row in range(rows)],
        }
    )
    return table.to_csv(index=False).encode()


class FileServer(ThreadingHTTPServer):
    """Gives files to both clients, whole or in pieces, or refuses."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes], *, status: int = 200, cut_after: int | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.status = status
        #: Bytes after which a transfer is cut off; None lets it end.
        self.cut_after = cut_after
        self.sent: list[int] = []
        self.tokens: set[str | None] = set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: FileServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._give(with_body=False)

    def do_GET(self) -> None:
        self._give(with_body=True)

    def do_POST(self) -> None:
        # Kaggle is asked for a file, and answers with the place where it lies.
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.tokens.add(self.headers.get("Authorization"))
        if self.server.status != 200:
            self._refuse()
            return
        self.send_response(302)
        self.send_header("Location", f"{self.server.address}/files/{request['fileName']}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _refuse(self) -> None:
        body = json.dumps({"code": self.server.status, "message": "refused"}).encode()
        self.send_response(self.server.status)
        codes = {403: "GatedRepo", 404: "RepoNotFound"}
        if self.server.status in codes:
            self.send_header("X-Error-Code", codes[self.server.status])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _give(self, *, with_body: bool) -> None:
        self.server.tokens.add(self.headers.get("Authorization"))
        name = self.path.rpartition("/")[2]
        if self.server.status != 200 or name not in self.server.files:
            self._refuse()
            return
        whole = self.server.files[name]
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        body = whole[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{hashlib.sha256(whole).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("Connection", "close")
        self.end_headers()
        if with_body:
            sent = body[: self.server.cut_after]
            self.server.sent.append(len(sent))
            self.wfile.write(sent)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def start_server() -> Iterator[Callable[..., FileServer]]:
    servers: list[FileServer] = []

    def start(files: dict[str, bytes], **options: Any) -> FileServer:
        server = FileServer(files, **options)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
