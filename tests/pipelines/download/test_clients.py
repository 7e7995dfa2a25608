"""Both clients against servers of the test's own."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from arena_preference.pipelines.download.clients import DownloadError, fetch_from_kaggle

from .conftest import make_train

kaggle_env = pytest.importorskip("kagglesdk.kaggle_env")

TRAIN = make_train(3000)
FETCH = """
import huggingface_hub.constants
from arena_preference.pipelines.download.clients import fetch_from_hub
from arena_preference.pipelines.download.options import HubOptions

# It goes on from the last whole one.
huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE = 1000
print(fetch_from_hub(HubOptions(dataset="some/battles", revision=None, test_share=0.1), "train.csv"))
"""

Fetch = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def fetch_hub(tmp_path: Path) -> Fetch:
    """Fetch train.csv from the Hub in a process of its own, since its client reads its settings once."""

    def fetch(address: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "HF_ENDPOINT": address,
            "HF_HUB_OFFLINE": "0",
            "HF_HOME": str(tmp_path / "hub"),
            "HF_TOKEN": "hf_secret",
            "HF_HUB_DOWNLOAD_TIMEOUT": "5",
            **settings,
        }
        command = [sys.executable, "-c", FETCH]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert "hf_secret" not in done.stdout + done.stderr
        return done

    return fetch


@pytest.fixture
def use_kaggle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Let Kaggle's client ask a server of the test's, with a token."""

    def use(address: str) -> None:
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, address)
        monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_secret")
        monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))

    return use


def test_the_hub_gives_the_file_with_the_users_token(start_server, fetch_hub: Fetch) -> None:
    server = start_server({"train.csv": TRAIN})
    done = fetch_hub(server.address)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).read_bytes() == TRAIN
    assert "Bearer hf_secret" in server.tokens


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, "log in with `hf auth login`"),
        (403, "accept its terms on huggingface.co/datasets/some/battles"),
        (404, "see that download.hub.dataset and download.hub.revision are right"),
        (429, "wait some minutes"),
    ],
)
def test_what_the_hub_refuses_is_told_with_what_to_do(start_server, fetch_hub: Fetch, status: int, remedy: str) -> None:
    done = fetch_hub(start_server({}, status=status).address)
    assert done.returncode == 1
    assert f"is refused with HTTP status {status}: {remedy}" in done.stderr


def test_without_a_network_the_hub_is_told_to_be_out_of_reach(start_server, fetch_hub: Fetch) -> None:
    server = start_server({})
    server.shutdown()
    server.server_close()
    done = fetch_hub(server.address)
    assert "cannot be reached. See that this machine has a network and HF_HUB_OFFLINE is not set" in done.stderr


def test_a_transfer_from_the_hub_that_is_cut_off_goes_on_where_it_was(start_server, fetch_hub: Fetch) -> None:
    server = start_server({"train.csv": TRAIN}, cut_after=100_000)
    done = fetch_hub(server.address)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).read_bytes() == TRAIN
    assert len(server.sent) == 4
    assert sum(server.sent) < len(TRAIN) + 3 * 1000


def test_kaggle_gives_the_file_with_the_users_token(
    start_server, use_kaggle, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    server = start_server({"train.csv": TRAIN})
    use_kaggle(server.address)
    assert fetch_from_kaggle("some-competition", "train.csv").read_bytes() == TRAIN
    assert "Bearer KGAT_secret" in server.tokens
    assert "KGAT_secret" not in caplog.text + "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, "make a new token"),
        (403, "accept the rules on kaggle.com/competitions/some-competition/rules"),
        (404, "see that download.competition is right"),
        (429, "wait some minutes"),
    ],
)
def test_what_kaggle_refuses_is_told_with_what_to_do(start_server, use_kaggle, status: int, remedy: str) -> None:
    use_kaggle(start_server({}, status=status).address)
    with pytest.raises(DownloadError, match=f"is refused with HTTP status {status}: {remedy}"):
        fetch_from_kaggle("some-competition", "train.csv")


def test_without_a_token_the_user_is_told_where_to_make_one(
    start_server, use_kaggle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_kaggle(start_server({}).address)
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(DownloadError, match=r"no token .* kaggle\.com/settings"):
        fetch_from_kaggle("some-competition", "train.csv")


def test_without_a_network_kaggle_is_told_to_be_out_of_reach(start_server, use_kaggle) -> None:
    server = start_server({})
    server.shutdown()
    server.server_close()
    use_kaggle(server.address)
    with pytest.raises(DownloadError, match=r"cannot be reached\. See that this machine has a network"):
        fetch_from_kaggle("some-competition", "train.csv")


def test_a_transfer_from_kaggle_that_is_cut_off_goes_on_where_it_was(start_server, use_kaggle) -> None:
    server = start_server({"train.csv": TRAIN}, cut_after=100_000)
    use_kaggle(server.address)
    with pytest.raises(DownloadError, match="was cut off"):
        fetch_from_kaggle("some-competition", "train.csv")
    server.cut_after = None
    assert fetch_from_kaggle("some-competition", "train.csv").read_bytes() == TRAIN


def test_a_full_disk_is_told_with_where_the_cache_can_go(
    start_server, use_kaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    import kagglehub

    def fill(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/cache/train.csv")

    use_kaggle(start_server({}).address)
    monkeypatch.setattr(kagglehub, "competition_download", fill)
    with pytest.raises(DownloadError, match=r"no room for train\.csv .*KAGGLEHUB_CACHE"):
        fetch_from_kaggle("some-competition", "train.csv")
