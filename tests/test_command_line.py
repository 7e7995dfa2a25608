"""The command line: options, parameters, names of pipelines."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from arena_preference import cli
from arena_preference.__main__ import main
from arena_preference.command_line import parse_params

PROJECT = Path(__file__).parents[1]


def invoke(command: str, *arguments: str) -> Result:
    return CliRunner().invoke(cli.cli, [*command.split(), *arguments], obj=bootstrap_project(PROJECT))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What sessions are created and run with, instead of runs."""
    started = []
    monkeypatch.setattr(KedroSession, "run", lambda self, **options: started.append({**self.store, **options}))
    return started


@pytest.mark.parametrize(
    "text",
    [
        "",
        "seed=1",
        "a.b=1, a.c = two ,d=null,e=",
        "seed=1e3,is=true,text=it's {here},path=/x/[1]/y",
        "from_run=2026-11-27T21.43.09.348Z,note=open sesame",
    ],
)
def test_parameters_without_lists_are_read_as_kedro_reads_them(text: str) -> None:
    (option,) = (option for option in kedro_run.params if option.name == "params")
    assert parse_params(text) == option.callback(None, option, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("m.sizes=[0.5,1.0],seed=1", {"m": {"sizes": [0.5, 1.0]}, "seed": 1}),
        ("m.sizes=[[1, 2], [3]],m.x={a: 1, b: [2,3]}", {"m": {"sizes": [[1, 2], [3]], "x": {"a": 1, "b": [2, 3]}}}),
        ("a='x,y',b=\"1,[\",c='2'", {"a": "x,y", "b": "1,[", "c": "2"}),
        ("a={x: 1},a.y=2", {"a": {"x": 1, "y": 2}}),
    ],
)
def test_a_comma_in_a_list_a_mapping_or_quotes_separates_no_parameters(text: str, expected: dict[str, Any]) -> None:
    assert parse_params(text) == expected


@pytest.mark.parametrize(
    "folder", ["007", "1e3", "true", "2026", "0x1F", "~/x", "it's", "[1", "{x}", "a #b", "s3://b/x", ""]
)
def test_a_folder_is_the_text_that_was_given(folder: str) -> None:
    expected = {"raw_dir": folder, "seed": 7, "data_root": folder}
    assert parse_params(f"raw_dir={folder},seed=007,data_root={folder}") == expected
    assert parse_params(f"raw_dir='{folder.replace(chr(39), 2 * chr(39))},x'") == {"raw_dir": f"{folder},x"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("seed", r"'seed'.*NAME=VALUE"),
        ("=1", r"'=1'.*NAME=VALUE"),
        ("raw_dir=a,b", r"'b'.*quotes"),
        ("a=[1,seed=2", r"'a=\[1,seed=2'"),
        ("raw_dir='a,seed=2", r"'raw_dir='a,seed=2'"),
        ("seed=1,seed=2", r"seed .* 1 .* 2\."),
        ("raw_dir=a,raw_dir=b", r"raw_dir .* 'a' .* 'b'\."),
        ("m.a=1,m.b=2,m.a=3", r"m\.a .* 1 .* 3\."),
        ("m.a=1,m=3", r"m .* 3\."),
        ("m=3,m.a=1", r"m .* 3 "),
    ],
)
def test_parameters_of_another_form_or_given_twice_are_rejected(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_params(text)


@pytest.mark.parametrize(
    "option", [option for option in cli.run.params if not option.is_flag], ids=lambda option: option.name
)
def test_an_option_that_is_given_twice_stops_the_run(runs: list[dict[str, Any]], option: Any) -> None:
    first, *_, last = (*option.opts, *option.opts)
    result = invoke("run", f"{first}=a", last, "b")
    assert result.exit_code == 2
    assert f"{max(option.opts, key=len)} is given 2 times" in result.output
    assert runs == []


@pytest.mark.parametrize(
    ("command", "option"), [("runs list", "--params"), ("runs verify", "--env"), ("kaggle bundle", "--params")]
)
def test_so_it_does_with_the_project_s_own_commands(command: str, option: str) -> None:
    result = invoke(command, f"{option}=a=1", f"{option}=b=2")
    assert result.exit_code == 2
    assert f"{option} is given 2 times" in result.output


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ("--params=raw_dir=a,raw_dir=b", "raw_dir is given twice"),
        ("--runner-params=a=1,a=2", "a is given twice"),
        ("--load-versions=metrics:1,labels:2,metrics:3", "metrics is given several versions"),
        ("--pipelines=ingestion,submision", "'submision'. Did you mean 'submission'?"),
        ("--pipeline=submision", "'submision'. Did you mean 'submission'?"),
        ("--pipeline=zzz", "'zzz'. There are __default__, distil, download,"),
    ],
)
def test_what_a_run_cannot_mean_is_one_line_and_no_run(
    runs: list[dict[str, Any]], argument: str, complaint: str
) -> None:
    result = invoke("run", argument)
    assert result.exit_code == 2
    assert complaint in result.output.splitlines()[-1]
    assert runs == []


@pytest.mark.filterwarnings("ignore:Option '--pipeline' is deprecated")
def test_a_run_gets_what_the_options_say(runs: list[dict[str, Any]]) -> None:
    lists = ["--pipelines=ingestion, submission", "--load-versions=metrics:1,labels:2", "--tags=train,test"]
    assert invoke("run", "--params=modelling.train_sizes=[0.5,1.0],raw_dir=007", *lists).exit_code == 0
    assert invoke("run", "--pipeline=submission").exit_code == 0
    first, second = runs
    assert first["runtime_params"] == {"modelling": {"train_sizes": [0.5, 1.0]}, "raw_dir": "007"}
    assert sorted(first["pipeline_names"]) == ["ingestion", "submission"]
    assert first["load_versions"] == {"metrics": "1", "labels": "2"}
    assert first["tags"] == ("train", "test")
    assert second["pipeline_names"] == ["submission"]
    assert "runtime_params" not in second


def test_the_installed_package_has_the_same_options_and_reads_the_same_file_of_options(
    runs: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)
    (tmp_path / "run.yml").write_text("run: {pipelines: 'ingestion,features', params: {raw_dir: mine, seed: 1}}")
    arguments = [f"--config={tmp_path / 'run.yml'}", "--tags=train"]
    with pytest.raises(SystemExit):
        main(arguments)
    invoke("run", *arguments)
    assert [run["runtime_params"] for run in runs] == 2 * [{"raw_dir": "mine", "seed": 1}]
    assert [sorted(run["pipeline_names"]) for run in runs] == 2 * [["features", "ingestion"]]
    with pytest.raises(SystemExit) as ended:
        main(["--params=raw_dir=a", "--params=seed=1"])
    assert ended.value.code == 2


@pytest.mark.slow
@pytest.mark.parametrize("command", [["kedro", "run"], ["arena_preference"]])
def test_a_repeated_option_writes_nothing_and_the_same_in_one_writes_only_there(
    command: list[str], tmp_path: Path
) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", *command, "--env=test", "--pipelines=simulation", *arguments]
        return subprocess.run(line, cwd=PROJECT, capture_output=True, text=True, timeout=300)

    before = (PROJECT / "data" / "01_raw" / "demo" / "train.csv").read_bytes()
    raw_dir, data_root = f"raw_dir={tmp_path / 'raw'}", f"data_root={tmp_path / 'data'}"
    assert run(f"--params={raw_dir}", f"--params={data_root}").returncode == 2
    assert not list(tmp_path.iterdir())
    done = run(f"--params={raw_dir},{data_root},seed=1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "raw" / "train.csv").exists()
    assert (PROJECT / "data" / "01_raw" / "demo" / "train.csv").read_bytes() == before
