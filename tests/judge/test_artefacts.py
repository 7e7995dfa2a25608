"""Loading a model: where it is found, which run it is of, and that its files are what the run wrote."""

import gc
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pytest

from arena_preference import Judge
from arena_preference.battles import LABEL_COLUMNS
from arena_preference.judge.scoring import score_file
from arena_preference.lineage.pinning import LineageError

PAIR = ("What is 2 + 2?", "4", "I think that it may be 5.")


@pytest.fixture
def copy(data: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copy the data folder to a folder below a temporary one, which is returned."""

    def copy_to(name: str) -> Path:
        shutil.copytree(data, tmp_path / name)
        return tmp_path

    return copy_to


@pytest.mark.parametrize("name", ["data", "main/data"])
def test_a_folder_may_have_the_data_folder_in_it(judge: Judge, copy: Callable[[str], Path], name: str) -> None:
    moved = Judge.load(copy(name))
    assert moved.compare(*PAIR) == judge.compare(*PAIR)
    assert moved.manifest.run_id == judge.manifest.run_id


def test_an_archive_is_a_folder(
    judge: Judge,
    copy: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = copy("data")
    path = Path(shutil.make_archive(str(folder / "model"), "zip", folder, "data"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("extracted")))
    archived = Judge.load(path)
    assert archived.compare(*PAIR) == judge.compare(*PAIR)
    del archived
    gc.collect()
    assert not list(Path(tempfile.gettempdir()).iterdir())


def test_a_run_is_found_by_its_name_and_by_a_prefix(data: Path, judge: Judge, copy: Callable[[str], Path]) -> None:
    run_id = judge.manifest.run_id
    folder = copy("data") / "data"
    path = folder / "08_reporting/runs" / f"{run_id}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "name": "best"}))
    for run in ("best", run_id, run_id[:-1]):
        assert Judge.load(folder, run=run).manifest.run_id == run_id
    with pytest.raises(ValueError, match="other"):
        Judge.load(folder, run="other")


@pytest.mark.parametrize("dataset", ["06_models/preference_model.cbm", "04_feature/word_tfidf.skops"])
def test_a_changed_or_missing_file_is_an_error(copy: Callable[[str], Path], dataset: str) -> None:
    folder = copy("data") / "data"
    (path,) = (folder / dataset).glob("*/*")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(LineageError, match=path.name):
        Judge.load(folder)
    path.unlink()
    with pytest.raises(LineageError, match="missing"):
        Judge.load(folder)


def test_a_run_that_lacks_a_model_is_an_error(copy: Callable[[str], Path], judge: Judge) -> None:
    folder = copy("data") / "data"
    path = folder / "08_reporting/runs" / f"{judge.manifest.run_id}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "status": "failed"}))
    with pytest.raises(LineageError, match="kedro run"):
        Judge.load(folder)


def test_parameters_of_another_version_are_an_error(copy: Callable[[str], Path], judge: Judge) -> None:
    folder = copy("data") / "data"
    path = folder / "08_reporting/runs" / f"{judge.manifest.run_id}.json"
    manifest = json.loads(path.read_text())
    del manifest["parameters"]["embedding"]["encoder"]["stride"]
    path.write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="stride"):
        Judge.load(folder)


def test_the_format_of_the_training_is_not_that_of_what_is_scored(copy: Callable[[str], Path], judge: Judge) -> None:
    folder = copy("data")
    path = folder / "data/08_reporting/runs" / f"{judge.manifest.run_id}.json"
    manifest = json.loads(path.read_text())
    manifest["parameters"]["ingestion"]["format"] = "competition"
    path.write_text(json.dumps(manifest))
    row = {"prompt": PAIR[0], "chosen": PAIR[1], "rejected": PAIR[2]}
    (folder / "pairs.jsonl").write_text(json.dumps(row))
    score_file(Judge.load(folder), folder / "pairs.jsonl", folder / "scores.parquet")
    scores = pd.read_parquet(folder / "scores.parquet")
    preference = judge.compare(*PAIR)
    assert scores[list(LABEL_COLUMNS)].to_numpy().tolist() == [[preference.a, preference.b, preference.tie]]


def test_what_is_no_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="kedro run"):
        Judge.load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no runs"):
        Judge.load(tmp_path)
    (tmp_path / "model.txt").write_text("text")
    with pytest.raises(FileNotFoundError, match=r"\.zip"):
        Judge.load(tmp_path / "model.txt")
    with ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(FileNotFoundError, match="no runs"):
        Judge.load(tmp_path / "empty.zip")


def test_a_repository_that_cannot_be_reached_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match="HF_TOKEN"):
        Judge.load("nobody/nothing")
