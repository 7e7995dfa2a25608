"""Exports of a run whose files are stand-ins, and their way to a Hub on this machine and back."""

import base64
import json
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.config import OmegaConfigLoader

from arena_preference import Judge
from arena_preference.judge.artefacts import find_data, open_source
from arena_preference.judge.export import LISTING, export_run, push
from arena_preference.judge.predictor import FITTED
from arena_preference.lineage.manifest import NodeRecord
from arena_preference.lineage.pinning import LineageError
from arena_preference.lineage.storage import StoredDataset
from arena_preference.settings import CONFIG_LOADER_ARGS
from tests.judge.fakes import RUN, make_manifest
from tests.pipelines.download.conftest import send_hub_client

PROJECT = Path(__file__).parents[2]
CONF = PROJECT / "conf"
REVISION = "b" * 40
METRICS = {
    "log_loss": {"value": 0.98765, "low": 0.9, "high": 1.1},
    "prior_log_loss": {"value": 1.0912, "low": 1.08, "high": 1.1},
    "length_log_loss": {"value": 1.0503, "low": 1.02, "high": 1.08},
    "accuracy": {"value": 0.5123, "low": 0.48, "high": 0.54},
    "source": "votes.csv",
    "battles": 960,
    "folds": 5,
}
SUMMARY = {
    "sources": [
        {"source": "votes.csv", "format": "plain", "voters": "people", "battles": 960, "prompts": 879}
        | {"a": 323, "b": 333, "tie": 304, "rejected": {}}
    ]
}
BIAS = {
    "position": {"flips": {"value": 0.1234, "low": 0.1, "high": 0.15}},
    "verbosity": [
        {"predicted": 0.5611, "predicted_low": 0.55, "predicted_high": 0.57}
        | {"observed": 0.5546, "observed_low": 0.52, "observed_high": 0.58}
    ],
    "formatting": [],
}


def store_run(data: Path, model: str, reports: dict[str, Any]) -> None:
    """Write stand-ins for the files of a run with an encoder, and its manifest."""
    catalog = OmegaConfigLoader(str(CONF), runtime_params={"data_root": str(data)}, **CONFIG_LOADER_ARGS)["catalog"]
    written = {}
    for name in (*FITTED, "labels", *reports):
        path = Path(catalog[name]["filepath"])
        path = path / RUN / path.name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(reports.get(name, {})))
        written[name] = StoredDataset(
            path=str(path), version=RUN, size=path.stat().st_size, sha256=sha256(path.read_bytes()).hexdigest()
        )
    encoder = {"enabled": True, "model": model, "revision": None}
    manifest = make_manifest(
        nodes=[NodeRecord(name="train", inputs=[], outputs=list(written))],
        written=written,
        parameters={"seed": 0, "embedding": {"preset": "mine", "encoder": encoder}},
    )
    runs = data / "08_reporting" / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    (runs / f"{RUN}.json").write_text(manifest.model_dump_json())


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A data folder without a configuration beside it."""
    model = tmp_path / "encoder"
    model.mkdir()
    for name in ("config.json", "model.safetensors"):
        (model / name).write_text("{}")
    folder = tmp_path / "run" / "data"
    store_run(folder, str(model), {"metrics": METRICS, "ingestion_summary": SUMMARY, "bias_audit": BIAS})
    return folder


def hash_files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_an_export_has_all_that_the_model_needs(stored: Path, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    manifest, address = export_run(stored, folder, conf=CONF)
    assert (manifest.run_id, address) == (RUN, None)
    listing = json.loads((folder / LISTING).read_text())
    files = hash_files(folder)
    assert listing["run"] == RUN
    assert {**listing["files"], LISTING: files[LISTING]} == files
    assert {path.name for path in folder.iterdir()} == {"README.md", LISTING, "conf", "data", "models"}
    for name, record in manifest.written.items():
        assert record.sha256 in files.values(), name
    assert (folder / "models" / "embedding.encoder" / "model.safetensors").exists()
    loader = OmegaConfigLoader(str(folder / "conf"), **CONFIG_LOADER_ARGS)
    assert loader["parameters"]["embedding"]["preset"] is None
    assert loader["parameters"]["embedding"]["encoder"]["model"] == "models/embedding.encoder"
    assert find_data(folder, folder) == folder / "data"


def test_the_card_quotes_the_run_and_nothing_else(stored: Path, tmp_path: Path) -> None:
    manifest, _ = export_run(stored, tmp_path / "export", conf=CONF)
    text = (tmp_path / "export" / "README.md").read_text()
    _, metadata, body = text.split("---\n", 2)
    card = yaml.safe_load(metadata)
    assert card["library_name"] == "arena-preference"
    (result,) = card["model-index"][0]["results"]
    assert {metric["type"]: metric["value"] for metric in result["metrics"]} == {"log_loss": 0.9877, "accuracy": 0.5123}
    for quoted in (
        RUN,
        "| log loss | 0.9877 [0.9000, 1.1000] |",
        "length baseline | 1.0503 [1.0200, 1.0800] |",
        "class prior | 1.0912 [1.0800, 1.1000] |",
        "| votes.csv | plain | people | 960 | 879 | 323 | 333 | 304 |",
        "0.1234 [0.1000, 0.1500]",
        "0.5611 [0.5500, 0.5700]",
        "not stated by the project; that of your data",
        manifest.written["preference_model"].sha256,
    ):
        assert quoted in body
    assert "simulated" not in body
    known = json.dumps([METRICS, SUMMARY, BIAS])
    for number in re.findall(r"\b\d\.\d{4}\b", body):
        assert re.search(rf"\b{number[:-1]}|\b{float(number)}", known), number


def test_a_run_without_reports_has_a_card_that_says_so(stored: Path, tmp_path: Path) -> None:
    store_run(tmp_path / "bare" / "data", "acme/encoder", {})
    export_run(tmp_path / "bare" / "data", tmp_path / "export", conf=CONF, with_models=False)
    for report in stored.rglob("02_intermediate/ingestion_summary.json/*/*"):
        report.unlink()
    export_run(stored, tmp_path / "pruned", conf=CONF)
    assert (tmp_path / "pruned" / "README.md").read_text().count("The run has not") == 1
    text = (tmp_path / "export" / "README.md").read_text()
    assert text.count("The run has not") == 3
    assert not (tmp_path / "export" / "models").exists()
    parameters = json.loads((tmp_path / "export" / "conf" / "base" / "parameters.json").read_text())
    assert parameters["embedding"] == {
        "preset": None,
        "encoder": {"enabled": True, "model": "acme/encoder", "revision": None},
    }


def test_an_archive_and_an_export_of_an_export_have_the_same_files(stored: Path, tmp_path: Path) -> None:
    folder, archive, again = (tmp_path / name for name in ("export", "export.zip", "again"))
    export_run(stored, folder, conf=CONF)
    export_run(folder, archive)
    # The encoder is not found by its name any more, only beside the data.
    for path in (tmp_path / "encoder").iterdir():
        path.unlink()
    export_run(archive, again)
    with zipfile.ZipFile(archive) as content:
        assert set(content.namelist()) == hash_files(folder).keys()
    assert hash_files(again) == hash_files(folder)


def test_an_export_replaces_an_export_and_nothing_else(stored: Path, tmp_path: Path) -> None:
    folder, archive = tmp_path / "export", tmp_path / "export.zip"
    for output in (folder, archive):
        export_run(stored, output, conf=CONF)
        export_run(stored, output, conf=CONF)
    (folder / "notes.md").touch()
    with pytest.raises(ValueError, match=r"export did not write: notes\.md"):
        export_run(stored, folder, conf=CONF)
    with pytest.raises(ValueError, match="not an export"):
        export_run(stored, stored, conf=CONF)
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as content:
        content.writestr("mine", "")
    with pytest.raises(ValueError, match="not an export"):
        export_run(stored, tmp_path / "mine.zip", conf=CONF)
    assert (folder / "notes.md").exists()
    assert not list(tmp_path.glob("*.tmp"))


def test_a_failed_export_leaves_the_earlier_one(stored: Path, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    export_run(stored, folder, conf=CONF)
    before = hash_files(folder)
    next(stored.rglob("calibration.json/*/*")).write_text("[]")
    with pytest.raises(LineageError, match="calibration"):
        export_run(stored, folder, conf=CONF)
    assert hash_files(folder) == before
    assert not list(tmp_path.glob("*.tmp"))


def test_a_data_folder_without_a_configuration_is_an_error(stored: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="kedro judge export"):
        export_run(stored, tmp_path / "export")


class FakeHub(ThreadingHTTPServer):
    """Stores what is committed to one repository, and serves it."""

    daemon_threads = True

    def __init__(self, *, private: bool = True, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.private, self.status = private, status
        self.created: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub

    def do_POST(self) -> None:
        body = self._read()
        if self.server.status != 200:
            self._answer({"error": "Invalid"}, self.server.status)
        elif self.path == "/api/repos/create":
            self.server.created.append(json.loads(body))
            self._answer({"url": f"{self.server.address}/acme/judge"})
        elif self.path == "/api/validate-yaml":
            assert "arena-preference" in json.loads(body)["content"]
            self._answer({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            files = [{"path": file["path"], "uploadMode": "regular"} for file in json.loads(body)["files"]]
            self._answer({"files": [{**file, "shouldIgnore": False} for file in files]})
        else:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                elif line["key"] == "deletedFile":
                    del self.server.files[line["value"]["path"]]
            self._answer({"commitOid": REVISION, "commitUrl": f"{self.server.address}/acme/judge/commit/{REVISION}"})

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if "/tree/" in path:
            files = self.server.files.items()
            self._answer([{"type": "file", "path": name, "size": len(text), "oid": "0"} for name, text in files])
        elif path.startswith("/api/"):
            siblings = [{"rfilename": name} for name in self.server.files]
            info = {"id": "acme/judge", "private": self.server.private, "sha": REVISION, "siblings": siblings}
            self._answer(info)
        else:
            self.do_HEAD()

    def do_HEAD(self) -> None:
        content = self.server.files[self.path.partition(f"/resolve/{REVISION}/")[2]]
        self._send(content if self.command == "GET" else b"", 200, len(content), sha256(content).hexdigest())

    def _read(self) -> bytes:
        if self.headers["Transfer-Encoding"] != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, content: Any, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self._send(body, status, len(body), "0")

    def _send(self, body: bytes, status: int, length: int, etag: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def start_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., FakeHub]]:
    servers = []

    def start(**options: Any) -> FakeHub:
        servers.append(FakeHub(**options))
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        send_hub_client(monkeypatch, servers[-1].address)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_pushed_export_comes_back_as_it_was_and_replaces_the_one_before(
    stored: Path, tmp_path: Path, start_hub: Callable[..., FakeHub]
) -> None:
    hub, folder = start_hub(), tmp_path / "export"
    hub.files = {"data/old": b"", "notes.md": b""}
    _, address = export_run(stored, folder, conf=CONF, push_to="acme/judge")
    assert address == f"{hub.address}/acme/judge"
    assert hub.created == [{"name": "judge", "organization": "acme", "visibility": "private"}]
    assert hub.files.pop("notes.md") == b""
    assert {name: sha256(content).hexdigest() for name, content in hub.files.items()} == hash_files(folder)
    downloaded, _ = open_source("acme/judge")
    assert hash_files(downloaded) == hash_files(folder)
    export_run(stored, tmp_path / "export.zip", conf=CONF, push_to="acme/judge")
    assert hub.files.keys() == hash_files(folder).keys()


def test_what_is_to_be_private_is_not_pushed_to_a_public_repository(
    stored: Path, tmp_path: Path, start_hub: Callable[..., FakeHub]
) -> None:
    hub, folder = start_hub(private=False), tmp_path / "export"
    with pytest.raises(ValueError, match="--public"):
        export_run(stored, folder, conf=CONF, push_to="acme/judge")
    assert hub.files == {}
    export_run(stored, folder, conf=CONF, push_to="acme/judge", public=True)
    assert hub.created[-1]["visibility"] == "public"
    assert LISTING in hub.files


@pytest.mark.parametrize(("status", "action"), [(401, "HF_TOKEN"), (403, "HF_TOKEN"), (400, "name"), (500, "later")])
def test_a_rejected_push_says_what_to_check_and_keeps_the_export(
    stored: Path, tmp_path: Path, start_hub: Callable[..., FakeHub], status: int, action: str
) -> None:
    start_hub(status=status)
    with pytest.raises(ValueError, match=rf"acme/judge.*{status}.*{action}.*'export' is written") as caught:
        export_run(stored, tmp_path / "export", conf=CONF, push_to="acme/judge")
    assert "hf_secret" not in str(caught.value)
    assert (tmp_path / "export" / LISTING).exists()


def test_without_a_token_or_a_network_the_reason_is_one_line(
    stored: Path, tmp_path: Path, start_hub: Callable[..., FakeHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, folder = start_hub(), tmp_path / "export"
    export_run(stored, folder, conf=CONF)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ValueError, match="hf auth login"):
        push(folder, "acme/judge", "Run 1")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with pytest.raises(ValueError, match="acme judge"):
        push(folder, "acme judge", "Run 1")
    hub.shutdown()
    hub.server_close()
    with pytest.raises(ValueError, match="could not be reached"):
        push(folder, "acme/judge", "Run 1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match="HF_HUB_OFFLINE"):
        push(folder, "acme/judge", "Run 1")


@pytest.mark.slow
def test_an_exported_model_predicts_the_same_in_python_and_as_a_pipeline(
    data: Path, judge: Judge, tmp_path: Path
) -> None:
    folder, raw_dir = tmp_path / "export", data.parent / "raw"
    export_run(data, folder, conf=CONF)
    expected = judge.predict(raw_dir / "test.csv", context="batch")
    exported = Judge.load(folder)
    pd.testing.assert_frame_equal(exported.predict(raw_dir / "test.csv", context="batch"), expected, check_exact=True)
    options = ["--pipelines=submission", "--conf-source=conf", f"--params=raw_dir={raw_dir}"]
    command = [sys.executable, "-m", "arena_preference", "run", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("data/07_model_output/submission.csv/*/submission.csv")
    submission = pd.read_csv(path, dtype={"id": str})
    assert submission["id"].tolist() == expected["id"].tolist()
    assert np.abs(submission.iloc[:, 1:].to_numpy() - expected.iloc[:, 1:].to_numpy()).max() < 1e-6
