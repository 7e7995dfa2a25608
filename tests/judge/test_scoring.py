"""Scoring a file in chunks: the same output in any number of steps, and nothing lost or mixed."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from arena_preference.judge.scoring import score_file
from tests.judge.fakes import FakeJudge, make_manifest


@pytest.fixture
def battles_file(tmp_path: Path) -> Path:
    """57 rows, two of which do not fit their format."""
    return write_battles(tmp_path / "battles.jsonl")


def write_battles(path: Path, **changes: Any) -> Path:
    rows = [
        {"id": f"{number:03d}", "prompt": f"What is {number}?", "response_a": "x" * (number % 7 + 1), "response_b": "y"}
        for number in range(57)
    ]
    for number in (11, 52):
        rows[number]["prompt"] = 7
    rows[-1] |= changes
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def stop_at(call: int) -> Callable[[int], None]:
    def stop(number: int) -> None:
        if number == call:
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_an_interrupted_command_resumes_and_writes_the_same_bytes(
    battles_file: Path, tmp_path: Path, suffix: str
) -> None:
    whole, parted = tmp_path / f"whole{suffix}", tmp_path / f"parted{suffix}"
    score_file(FakeJudge(), battles_file, whole, chunk_rows=10)
    with pytest.raises(KeyboardInterrupt):
        score_file(FakeJudge(stop_at(3)), battles_file, parted, chunk_rows=10)
    assert not parted.exists()
    resumed, reports = FakeJudge(), []
    survey = score_file(
        resumed, battles_file, parted, chunk_rows=10, report=lambda done, rows: reports.append((done, rows))
    )
    assert resumed.sizes == [10, 17]
    assert reports == [(0, 57), (10, 57), (20, 57), (30, 57), (40, 57), (57, 57)]
    assert parted.read_bytes() == whole.read_bytes()
    assert survey.rows == 57
    assert {path.name for path in tmp_path.iterdir()} == {battles_file.name, whole.name, parted.name}


def test_every_row_is_written_in_its_place_with_all_digits(battles_file: Path, tmp_path: Path) -> None:
    for suffix in (".csv", ".jsonl", ".parquet"):
        survey = score_file(FakeJudge(), battles_file, tmp_path / f"out{suffix}", chunk_rows=20)
        assert survey.faults == Counter({"prompt is neither text nor a list": 2})
    tables = [
        pd.read_csv(tmp_path / "out.csv", dtype={"id": str}),
        pd.DataFrame(map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())),
        pd.read_parquet(tmp_path / "out.parquet"),
    ]
    for table in tables:
        assert table["id"].tolist() == [f"{number:03d}" for number in range(57)]
        assert table.columns.tolist() == ["id", "winner_model_a", "winner_model_b", "winner_tie"]
        assert table.iloc[:, 1:].to_numpy().tolist() == tables[0].iloc[:, 1:].to_numpy().tolist()
        assert (table.iloc[:, 1:].sum(axis=1) - 1).abs().max() < 1e-12


def test_chunks_are_as_small_as_asked_for_and_batch_context_sees_the_whole_file(
    battles_file: Path, tmp_path: Path
) -> None:
    judge = FakeJudge()
    score_file(judge, battles_file, tmp_path / "none.csv", chunk_rows=5)
    assert judge.sizes == [5] * 10 + [7]
    judge = FakeJudge()
    score_file(judge, battles_file, tmp_path / "batch.csv", chunk_rows=5, context="batch")
    assert judge.sizes == [57]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"chunk_rows": 20}, "chunk_rows was 10 and is 20"),
        ({"context": "batch"}, "context was none and is batch"),
        ({"run": "2026-11-29T00.00.00.000Z"}, "run was 2026-11-28T01.14.01.249Z and is 2026-11-29T00.00.00.000Z"),
        ({"input": "longer"}, "size was"),
    ],
)
def test_chunks_of_another_job_are_not_mixed_in(
    battles_file: Path, tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    out = tmp_path / "out.csv"
    with pytest.raises(KeyboardInterrupt):
        score_file(FakeJudge(stop_at(2)), battles_file, out, chunk_rows=10)
    options = {"chunk_rows": 10, **change}
    if text := options.pop("input", None):
        write_battles(battles_file, response_a=text)
    manifest = make_manifest(options.pop("run")) if "run" in options else None
    with pytest.raises(ValueError, match=rf"out\.csv\.parts.*{named}.*--restart"):
        score_file(FakeJudge(manifest=manifest), battles_file, out, **options)
    score_file(FakeJudge(manifest=manifest), battles_file, out, restart=True, **options)
    assert len(pd.read_csv(out)) == 57


@pytest.mark.parametrize("restart", [False, True])
def test_a_folder_of_something_else_is_left_alone(battles_file: Path, tmp_path: Path, restart: bool) -> None:
    folder = tmp_path / "out.csv.parts"
    folder.mkdir()
    (folder / "mine").touch()
    with pytest.raises(ValueError, match="no scored chunks"):
        score_file(FakeJudge(), battles_file, tmp_path / "out.csv", restart=restart)
    assert (folder / "mine").exists()


def test_an_id_in_two_chunks_is_known_before_anything_is_scored(tmp_path: Path) -> None:
    path, judge = write_battles(tmp_path / "battles.jsonl", id="003"), FakeJudge()
    with pytest.raises(ValueError, match="2 rows have the id of another row, as rows 4 and 57"):
        score_file(judge, path, tmp_path / "out.csv", chunk_rows=10)
    assert judge.sizes == []
    # Nothing stands in the way of the corrected file.
    score_file(judge, write_battles(path), tmp_path / "out.csv", chunk_rows=10)


def test_a_chunk_with_other_rows_than_the_file_is_an_error(battles_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    with pytest.raises(KeyboardInterrupt):
        score_file(FakeJudge(stop_at(2)), battles_file, out, chunk_rows=10)
    part = tmp_path / "out.csv.parts" / "000001.parquet"
    pd.read_parquet(part).head(9).to_parquet(part, index=False)
    with pytest.raises(ValueError, match=r"000001\.parquet.*10 rows.*--restart"):
        score_file(FakeJudge(), battles_file, out, chunk_rows=10)


def test_the_log_has_no_line_per_chunk(battles_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    score_file(FakeJudge(), battles_file, tmp_path / "out.csv", chunk_rows=10)
    assert not [record for record in caplog.records if record.name.startswith("arena_preference.pipelines")]


@pytest.mark.slow
def test_a_killed_process_is_resumed_with_the_same_bytes(data: Path, tmp_path: Path) -> None:
    raw = pd.read_csv(data.parent / "raw" / "test.csv", dtype=str, keep_default_na=False)
    table = pd.concat([raw.assign(id=f"{copy}-" + raw["id"]) for copy in range(6)])
    table.to_csv(tmp_path / "battles.csv", index=False)

    def start(out: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "arena_preference", "judge", "score", "battles.csv", f"--out={out}"]
        options = [f"--model={data}", "--chunk-rows=20"]
        return subprocess.Popen([*command, *options], cwd=tmp_path, text=True, stderr=subprocess.PIPE)

    with start("whole.csv") as whole:
        _, said = whole.communicate(timeout=300)
    assert whole.returncode in (0, 3), said
    parts = tmp_path / "killed.csv.parts"
    with start("killed.csv") as killed:
        deadline = time.monotonic() + 300
        while len(list(parts.glob("*.parquet"))) < 3:
            assert killed.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        killed.kill()
    assert len(list(parts.glob("*.parquet"))) * 20 < len(table)
    assert not (tmp_path / "killed.csv").exists()
    with start("killed.csv") as resumed:
        _, said_then = resumed.communicate(timeout=300)
    assert resumed.returncode == whole.returncode, said_then
    assert (tmp_path / "killed.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert len(pd.read_csv(tmp_path / "whole.csv")) == len(table)
    assert not parts.exists()
