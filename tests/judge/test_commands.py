"""The commands, with a judge that prefers the longer response."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from kedro.framework.startup import bootstrap_project

from arena_preference.__main__ import main
from arena_preference.cli import cli
from arena_preference.config import Config
from arena_preference.judge import Judge
from tests.judge.fakes import RUN, FakeJudge

PROJECT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "catboost", "pandas")
#: Shows the help of all commands in one process.
HELP = f"""
import sys
from arena_preference.{{0}} import {{1}}
for command in ([], ["compare"], ["score"], ["rank"], ["serve"], ["export"]):
    try:
        {{1}}(["judge", *command, "--help"])
    except SystemExit:
        pass
print([name for name in {HEAVY} if name in sys.modules])
"""


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    """Sources and runs of the judges that were loaded, each of them a fake."""
    calls: list[tuple[str, str | None]] = []

    def load(source: str, *, run: str | None = None) -> FakeJudge:
        calls.append((source, run))
        return FakeJudge()

    monkeypatch.setattr(Judge, "load", load)
    return calls


def invoke(*arguments: str | Path, ends_with: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["judge", *map(str, arguments)], obj=bootstrap_project(PROJECT))
    assert result.exit_code == ends_with, result.output
    return result


def write_rows(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def read_rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("entry", [("cli", "cli"), ("__main__", "main")])
def test_the_help_imports_nothing_that_takes_long(entry: tuple[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-c", HELP.format(*entry)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.count("--model SOURCE") == 5
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_model_is_the_project_s_or_the_folder_data_or_what_is_named(
    loaded: list[tuple[str, str | None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = ["compare", "--prompt=p", "--a=a", "--b=b"]
    invoke(*compare)
    invoke(*compare, "--model=acme/judge", "--run=best")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["judge", *compare])
    assert ended.value.code == 0
    assert loaded == [(str(PROJECT / "data"), None), ("acme/judge", "best"), ("data", None)]


@pytest.mark.usefixtures("loaded")
def test_compare_shows_probabilities_winner_and_reasons(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("größer " * 50, encoding="utf-8")
    options = ("compare", "--prompt=@@someone", f"--a=@{tmp_path / 'a.txt'}", "--b=b")
    result = read_rows(invoke(*options, "--json").stdout)[0]
    assert result["a"] > 0.9
    assert result["winner"] == "a"
    assert result["a"] + result["b"] + result["tie"] == pytest.approx(1)
    assert result["why"][0]["side"] == "a"
    assert result["why"][0]["text"].startswith("größer")
    shown = invoke(*options).stdout
    assert f"{100 * result['a']:.1f} %" in shown
    assert "winner: a" in shown
    assert "[bold]not markup" in " ".join(shown.split())


@pytest.mark.usefixtures("loaded")
def test_a_file_that_cannot_be_read_is_named_with_the_option(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("größer".encode("latin-1"))
    for name, complaint in (("missing.txt", "No such file"), ("latin.txt", "UTF-8")):
        output = invoke("compare", "--prompt=p", "--a=a", f"--b=@{tmp_path / name}", ends_with=1).output
        assert "--b" in output
        assert name in output
        assert complaint in output


@pytest.mark.usefixtures("loaded")
def test_score_counts_rows_that_do_not_fit_and_says_so_in_the_exit_code(tmp_path: Path) -> None:
    good = {"id": "1", "prompt": "p", "response_a": "a", "response_b": "bb"}
    file, out = write_rows(tmp_path / "good.jsonl", good), tmp_path / "out.csv"
    assert f"1 rows, run {RUN}" in invoke("score", file, f"--out={out}").stderr
    assert "--force" in invoke("score", file, f"--out={out}", ends_with=1).stderr
    write_rows(file, good, {**good, "id": "2", "prompt": 7}, {**good, "id": "3"})
    result = invoke("score", file, f"--out={out}", "--force", ends_with=3)
    assert "1 x prompt is neither text nor a list" in result.stderr
    assert result.stdout == ""
    assert pd.read_csv(out)["id"].tolist() == [1, 2, 3]


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("file", "out", "complaint"),
    [
        ("battles.jsonl", "out.txt", ".csv, .jsonl, .parquet"),
        ("battles.txt", "out.csv", ".jsonl"),
        ("battles.jsonl", "missing/out.csv", "Make it first"),
        ("battles.jsonl", "battles.jsonl", "named twice"),
        ("other.jsonl", "out.csv", "Rename them to id"),
    ],
)
def test_score_says_what_is_wrong_with_its_files(tmp_path: Path, file: str, out: str, complaint: str) -> None:
    for name in ("battles.jsonl", "battles.txt"):
        write_rows(tmp_path / name, {"id": "1", "prompt": "p", "response_a": "a", "response_b": "b"})
    write_rows(tmp_path / "other.jsonl", {"question": "q"})
    before = (tmp_path / file).read_bytes()
    assert complaint in invoke("score", tmp_path / file, f"--out={tmp_path / out}", "--force", ends_with=1).stderr
    assert (tmp_path / file).read_bytes() == before


SYSTEM = {"role": "system", "content": "Be brief."}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def reply(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


@pytest.mark.usefixtures("loaded")
def test_rank_orders_each_row_and_writes_pairs_as_trl_reads_them(tmp_path: Path) -> None:
    file, pairs = tmp_path / "rows.jsonl", tmp_path / "pairs.jsonl"
    write_rows(
        file,
        {"id": "texts", "prompt": "p", "responses": ["bb", "cccc", "a"]},
        {"id": "messages", "prompt": [SYSTEM, user("p")], "responses": ["bb", [reply("longest of all")]]},
        {"prompt": ["p", "q"], "responses": [["r", "s"], ["r", "longer"]]},
        {"id": "equal", "prompt": "p", "responses": ["a", "a"]},
        {"id": "none", "prompt": "p", "responses": []},
        {"id": "number", "prompt": "p", "responses": ["a", 3]},
        {"id": "no prompt", "responses": ["a", "b"]},
    )
    result = invoke("rank", file, f"--pairs={pairs}", ends_with=3)
    ranked = read_rows(result.stdout)
    assert [row.get("order") for row in ranked] == [[1, 0, 2], [1, 0], [1, 0], [0, 1], None, None, None]
    assert [row["id"] for row in ranked] == ["texts", "messages", 2, "equal", "none", "number", "no prompt"]
    assert sum(ranked[0]["win_probabilities"]) == pytest.approx(1.5)
    assert "responses[1]" in ranked[5]["error"]
    assert "3 pairs" in result.stderr
    assert "3 rows that cannot be ranked" in result.stderr
    written = read_rows(pairs.read_text())
    assert all(row.pop("margin") > 0 for row in written)
    assert written == [
        {"prompt": "p", "chosen": "cccc", "rejected": "a"},
        {"prompt": [SYSTEM, user("p")], "chosen": [reply("longest of all")], "rejected": [reply("bb")]},
        {"prompt": [user("p"), reply("r"), user("q")], "chosen": [reply("longer")], "rejected": [reply("s")]},
    ]


@pytest.mark.usefixtures("loaded")
def test_rank_reads_lists_in_csv_and_parquet_and_leaves_out_small_margins(tmp_path: Path) -> None:
    table = pd.DataFrame({"prompt": ["[1, 2]", '[{"role": "user", "content": "p"}]'], "responses": [["b", "aaa"]] * 2})
    table.to_parquet(tmp_path / "rows.parquet")
    table.assign(responses=table["responses"].map(json.dumps)).to_csv(tmp_path / "rows.csv", index=False)
    for name in ("rows.parquet", "rows.csv"):
        out, pairs = tmp_path / "out.jsonl", tmp_path / "pairs.jsonl"
        invoke("rank", tmp_path / name, f"--out={out}", f"--pairs={pairs}", "--force")
        assert [row["order"] for row in read_rows(out.read_text())] == [[1, 0], [1, 0]]
        first, second = read_rows(pairs.read_text())
        assert first["prompt"] == "[1, 2]"
        assert second["prompt"] == ([user("p")] if name == "rows.csv" else table["prompt"][1])
        margin = first["margin"]
        invoke("rank", tmp_path / name, f"--out={out}", f"--pairs={pairs}", f"--min-margin={margin}", "--force")
        assert pairs.read_text() == ""


def test_the_service_gets_the_model_and_its_settings(
    loaded: list[tuple[str, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class ServiceSettings(Config):
        host: str
        port: int
        allow_anonymous: bool
        allowed_hosts: tuple[str, ...]

    served: list[Any] = []
    package = ModuleType("arena_preference.serving")
    vars(package).update(ServiceSettings=ServiceSettings, serve=lambda *arguments: served.append(arguments))
    monkeypatch.setitem(sys.modules, package.__name__, package)
    invoke("serve", "--model=here", "--run=best", "--port=0", "--allowed-hosts=one,two")
    ((load, options),) = served
    assert options == ServiceSettings(host="127.0.0.1", port=0, allow_anonymous=False, allowed_hosts=("one", "two"))
    load()
    assert loaded == [("here", "best")]


@pytest.mark.usefixtures("loaded")
def test_two_outputs_of_one_name_are_an_error(tmp_path: Path) -> None:
    file, out = write_rows(tmp_path / "rows.jsonl", {"prompt": "p", "responses": ["a", "bb"]}), tmp_path / "out.jsonl"
    assert "named twice" in invoke("rank", file, f"--out={out}", f"--pairs={out}", ends_with=1).stderr
    assert "--push" in invoke("export", tmp_path / "export", "--public", ends_with=2).stderr


def test_an_option_that_is_given_twice_is_an_error() -> None:
    assert "--model is given 2 times" in invoke("score", "--model=a", "--model=b", ends_with=2).output


def test_a_folder_without_a_model_is_one_line_with_a_suggestion(tmp_path: Path) -> None:
    output = invoke("compare", "--prompt=p", "--a=a", "--b=b", f"--model={tmp_path}", ends_with=1).output
    assert str(tmp_path) in output
    assert "kedro run" in output
    assert "Traceback" not in output
