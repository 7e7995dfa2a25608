"""The pipeline with its catalog: what lies in the folder afterwards, and what lies nowhere."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from arena_preference.pipelines.download.clients import DownloadError
from arena_preference.pipelines.download.config import DownloadConfig

from .conftest import HUB_TOKEN, KAGGLE_TOKEN, StandIn

PROJECT = Path(__file__).parents[3]
TOKENS = (HUB_TOKEN, KAGGLE_TOKEN)

MakeOptions = Callable[..., DownloadConfig]
Download = Callable[[str], Path]

pytestmark = [
    # Kaggle's client leaves connections open after an error.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    # Kedro 1.7 reads the fields of a typed parameter in the way that pydantic 2.11 deprecates.
    pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute:DeprecationWarning"),
]


@pytest.fixture
def download(make_options: MakeOptions, tmp_path: Path) -> Download:
    def run(source: str) -> Path:
        raw_dir = tmp_path / "raw"
        parameters = {"raw_dir": str(raw_dir), "data_root": str(tmp_path / "data")}
        bootstrap_project(PROJECT)
        options = make_options(source).model_dump()
        with KedroSession.create(PROJECT, env="test", runtime_params={**parameters, "download": options}) as session:
            session.run(pipeline_names=["download"])
        return raw_dir

    return run


def find_tokens(folder: Path, *printed: str) -> list[str]:
    """List where a token stands: in files, and in what was logged and printed."""
    texts = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    texts |= {f"printed {place}": text.encode() for place, text in enumerate(printed)}
    return [where for where, text in texts.items() for token in TOKENS if token.encode() in text]


@pytest.mark.parametrize("source", ["hub", "kaggle"])
def test_the_folder_holds_the_competitions_files_and_no_token(
    source: str,
    download: Download,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    server = request.getfixturevalue(source)
    caplog.set_level(logging.DEBUG)
    raw_dir = download(source)
    assert sorted(path.name for path in raw_dir.iterdir()) == [
        "download.json",
        "test.csv",
        "test_labels.csv",
        "train.csv",
    ]
    tables = {path.stem: pd.read_csv(path, dtype=str) for path in raw_dir.glob("*.csv")}
    rows = {name: len(table) for name, table in tables.items()}
    assert rows == json.loads((raw_dir / "download.json").read_text())["rows"]
    if source == "kaggle":
        assert (raw_dir / "train.csv").read_bytes() == server.files["train.csv"]
        assert (raw_dir / "test.csv").read_bytes() == server.files["test.csv"]
    else:
        assert rows == {"train": 201, "test": 39, "test_labels": 39}
    assert server.tokens[0][1] in [f"Bearer {token}" for token in TOKENS]
    assert find_tokens(tmp_path, caplog.text, *capfd.readouterr()) == []


@pytest.mark.parametrize("trouble", [{"refuses_with": 403}, {"cuts": [20_000, *[0] * 20]}, {"damages": True}])
@pytest.mark.parametrize("source", ["hub", "kaggle"])
def test_a_download_that_fails_leaves_no_file_and_no_token(
    source: str,
    trouble: dict[str, object],
    download: Download,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    server: StandIn = request.getfixturevalue(source)
    caplog.set_level(logging.DEBUG)
    for name, value in trouble.items():
        setattr(server, name, value)
    with pytest.raises(DownloadError):
        download(source)
    assert not list((tmp_path / "raw").glob("*"))
    assert find_tokens(tmp_path, caplog.text, *capfd.readouterr()) == []


def test_files_that_somebody_put_there_are_not_written_over(hub: StandIn, download: Download, tmp_path: Path) -> None:
    raw_dir = tmp_path / "raw"
    raw_dir.mkdir()
    (raw_dir / "train.csv").write_text("mine")
    with pytest.raises(Exception, match=r"holds train\.csv but no download\.json, .* Name another folder"):
        download("hub")
    assert (raw_dir / "train.csv").read_text() == "mine"


def test_no_pipeline_needs_kaggles_client_to_be_found() -> None:
    program = (
        "import sys; sys.modules['kagglehub'] = None\n"
        "from pathlib import Path; from kedro.framework.startup import bootstrap_project\n"
        f"bootstrap_project(Path({str(PROJECT)!r}))\n"
        "from kedro.framework.project import pipelines; print(*sorted(pipelines))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert {"__default__", "download", "evaluation", "submission"} <= set(done.stdout.split())
