"""The official clients against servers of the test's own: what arrives, and what is said when it does not."""

import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from arena_preference.pipelines.download.clients import DownloadError, fetch_from_hub, fetch_from_kaggle
from arena_preference.pipelines.download.config import HubConfig

from .conftest import HUB_TOKEN, KAGGLE_TOKEN, REVISION, StandIn, send_hub_client

FILE = "train.csv"
OPTIONS = HubConfig(dataset="acme/battles", revision=REVISION, test_battles=1)
FETCH: dict[str, Callable[[], Path]] = {
    "hub": lambda: fetch_from_hub(OPTIONS, FILE),
    "kaggle": lambda: fetch_from_kaggle("acme", FILE),
}

both = pytest.mark.parametrize("service", FETCH)
# Kaggle's client leaves connections open after an error.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture
def stand_in(service: str, request: pytest.FixtureRequest) -> StandIn:
    return request.getfixturevalue(service)


def fail(service: str) -> str:
    """Fetch what cannot be had; what is said, with nothing behind it that could tell more than it should."""
    with pytest.raises(DownloadError) as caught:
        FETCH[service]()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    message = str(caught.value)
    assert not [secret for secret in (HUB_TOKEN, KAGGLE_TOKEN, "s3cret") if secret in message]
    assert FILE in message
    return message


@both
def test_a_file_arrives_byte_by_byte_and_once(service: str, stand_in: StandIn) -> None:
    first = FETCH[service]()
    assert first.name == FILE
    assert first.read_bytes() == stand_in.files[FILE]
    modified = first.stat().st_mtime_ns
    second = FETCH[service]()
    assert (second, second.stat().st_mtime_ns) == (first, modified)


def test_the_hubs_token_goes_to_the_hub_and_to_nobody_else(hub: StandIn) -> None:
    FETCH["hub"]()
    assert {token for asked, token in hub.tokens if asked != "signed"} == {f"Bearer {HUB_TOKEN}"}
    assert [token for asked, token in hub.tokens if asked == "signed"] == [None]


def test_kaggles_token_goes_to_kaggle_and_to_nobody_else(kaggle: StandIn) -> None:
    FETCH["kaggle"]()
    assert kaggle.tokens == [("POST", f"Bearer {KAGGLE_TOKEN}"), ("signed", None)]


@both
def test_an_interrupted_transfer_resumes(service: str, stand_in: StandIn) -> None:
    stand_in.cuts = [20_000, *[0] * 20]
    assert "interrupted" in (message := fail(service))
    assert message.endswith("Start again: it resumes where it stopped.")
    stand_in.cuts, stand_in.ranges = [], []
    assert FETCH[service]().read_bytes() == stand_in.files[FILE]
    assert stand_in.ranges[-1] == "bytes=20000-"


def test_an_incomplete_download_does_not_have_the_files_name(hub: StandIn, home: Path) -> None:
    hub.cuts = [20_000, *[0] * 20]
    fail("hub")
    assert [path.name for path in home.rglob("*.csv*")] == ["train.csv.tmp"]


@both
def test_a_file_that_arrives_otherwise_than_its_hash_says_is_thrown_away(service: str, stand_in: StandIn) -> None:
    stand_in.damages = True
    assert fail(service).endswith("Start again.")
    stand_in.damages = False
    assert FETCH[service]().read_bytes() == stand_in.files[FILE]


def test_a_file_that_changed_on_the_hub_between_two_tries_is_fetched_from_its_start(hub: StandIn) -> None:
    hub.cuts = [20_000, *[0] * 20]
    fail("hub")
    hub.cuts, hub.files = [], {FILE: hub.files[FILE].replace(b"Yes", b"Nay")}
    assert FETCH["hub"]().read_bytes() == hub.files[FILE]


def test_a_file_that_changed_on_kaggle_between_two_tries_is_never_a_mixture(kaggle: StandIn) -> None:
    kaggle.cuts = [20_000]
    fail("kaggle")
    kaggle.files = {FILE: kaggle.files[FILE].replace(b"Yes", b"Nay")}
    assert "corrupted" in fail("kaggle")
    assert FETCH["kaggle"]().read_bytes() == kaggle.files[FILE]


@pytest.mark.parametrize(
    ("service", "status", "remedy"),
    [
        ("hub", 401, r"401.*hf auth login.*HF_TOKEN.*huggingface.co/datasets/acme/battles.*download\.hub"),
        ("hub", 403, r"403: accept the terms on huggingface.co/datasets/acme/battles, with the account of your token"),
        ("hub", 404, r"404.*name and revision in download\.hub"),
        ("hub", 429, "429.*wait"),
        ("hub", 503, "503: start again later."),
        ("kaggle", 401, "401: the token is not valid .*: make a token on kaggle.com/settings and put it into KAGGLE_"),
        ("kaggle", 403, "403: accept the rules on kaggle.com/competitions/acme/rules, with the account of your token"),
        ("kaggle", 404, r"404.*download\.competition"),
        ("kaggle", 429, "429.*wait"),
        ("kaggle", 500, "500: start again later."),
    ],
)
def test_a_rejected_request_says_what_to_do(service: str, stand_in: StandIn, status: int, remedy: str) -> None:
    stand_in.refuses_with = status
    with pytest.raises(DownloadError, match=remedy):
        FETCH[service]()
    fail(service)


@both
def test_without_a_network_that_is_said(service: str, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        closed = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    send_hub_client(monkeypatch, closed)
    kaggle_env = pytest.importorskip("kagglesdk.kaggle_env")
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, closed)
    assert "cannot be reached" in fail(service)


def test_a_hub_client_that_is_set_offline_says_so(hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is not set" in fail("hub")
    assert hub.tokens == []


def test_a_server_that_is_no_hub_is_told_from_one(hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    send_hub_client(monkeypatch, f"{hub.address}/page")
    assert fail("hub").endswith("HF_ENDPOINT, if set, is a Hub.")


def test_without_a_token_for_kaggle_the_way_to_one_is_told(kaggle: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    message = fail("kaggle")
    assert "needs a token" in message
    assert "make a token on kaggle.com/settings and put it into KAGGLE_API_TOKEN or ~/.kaggle/access_token" in message
    assert kaggle.tokens == []


def test_a_damaged_kaggle_json_is_named(kaggle: StandIn, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    (home / ".kaggle").mkdir()
    (home / ".kaggle" / "kaggle.json").write_text(f'{{"key": "{KAGGLE_TOKEN}')
    assert str(home / ".kaggle" / "kaggle.json") in fail("kaggle")


def test_a_kaggle_json_of_old_will_do(kaggle: StandIn, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    (home / ".kaggle").mkdir()
    (home / ".kaggle" / "kaggle.json").write_text('{"username": "somebody", "key": "0123"}')
    assert FETCH["kaggle"]().read_bytes() == kaggle.files[FILE]
    assert (kaggle.tokens[0][1] or "").startswith("Basic ")


@pytest.mark.parametrize(("service", "variable"), [("hub", "HF_HOME"), ("kaggle", "KAGGLEHUB_CACHE")])
def test_a_full_disk_is_told_with_the_way_to_another(
    service: str, variable: str, stand_in: StandIn, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.files = {FILE: b"x" * 300_000}
    monkeypatch.setattr("huggingface_hub.utils._cache_assets.HF_ASSETS_CACHE", str(small_disk))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(small_disk))
    message = fail(service)
    assert "disk is full: train.csv" in message
    assert f"move the cache with {variable}=DIR, and start again." in message


@pytest.mark.parametrize(("service", "variable"), [("hub", "HF_HOME"), ("kaggle", "KAGGLEHUB_CACHE")])
def test_a_cache_that_cannot_be_written_is_named(
    service: str, variable: str, stand_in: StandIn, read_only_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.utils._cache_assets.HF_ASSETS_CACHE", str(read_only_disk))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(read_only_disk))
    message = fail(service)
    assert f"cache (Read-only file system: {read_only_disk}" in message
    assert f"{variable}=DIR" in message


def test_without_kaggles_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(
        DownloadError, match=r'not installed \(kagglehub\)\. Install the extra: pip install -e "\.\[dow'
    ):
        FETCH["kaggle"]()
