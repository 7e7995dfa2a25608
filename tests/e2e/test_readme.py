"""Every command in README.md and docs is executed, in a copy of the project with the sizes of environment test."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Timer
from urllib.error import URLError

import pytest

PROJECT = Path(__file__).parents[2]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
README = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)

# Commands that are not executed here, each with the reason.
ELSEWHERE = {
    "make run": "CI executes it",
    "make test": "CI executes it",
    'pytest -m "not slow"': "`make test` is this command",
    "kedro run --pipelines=download": "needs the Hub; executed against a server in tests/e2e/test_download.py",
    "kedro run --pipelines=download --params=download.source=kaggle": "needs Kaggle, and a token",
    "kedro run --env=kaggle": "needs the downloaded files; executed with environment test, as above",
    "kedro run --env=kaggle --pipelines=evaluation": "needs the downloaded files, as above",
    "kedro run --env=kaggle --params=finetuning.preset=skywork": "needs the downloaded files and the Hub",
    "kedro judge rank candidates.jsonl --pairs pairs.jsonl": "needs a file; test_commands.py ranks others",
    "kedro judge export dist/judge --push OWNER/NAME": "needs the Hub; tests/judge/test_export.py pushes to a server",
    "make faults": "takes half an hour; a few of its faults are among the tests",
    "make kaggle": "tests/e2e/test_kaggle.py makes and uses its bundle",
    'make kaggle ARGS="--run=RUN --fallback=RUN"': "as `make kaggle`",
    "kedro run --env=cluster --runner=arena_preference.runners.DaskRunner --runner-params=n_workers=2": (
        "is one of test_cluster.py"
    ),
    "kedro run --env=cluster --runner=arena_preference.runners.DaskRunner --runner-params=address=tcp://host:8786": (
        "needs a cluster; test_cluster.py starts one"
    ),
    "dask worker tcp://host:8786 --nthreads=1 --resources GPU=1": "as above",
    "dask worker --resources GPU=1": "as above",
    "make cluster-test": "takes five minutes; the same with few battles is among the tests",
    "make kaggle-test": "takes half an hour; the same with few battles is among the tests",
    "python benchmarks/judge.py": "measures for minutes",
    "python benchmarks/serving.py": "as above",
    "python benchmarks/cluster.py --battles 200000": "as above",
    "python benchmarks/soft_labels.py": "as above",
    "python benchmarks/whole_run.py": "measures for minutes",
    "python benchmarks/accuracy.py --data-root RUN": "as above, on a run of one's own",
    "python benchmarks/finetuning.py --raw-dir DIR --data-root DIR": "trains for an hour",
    "python benchmarks/nodes.py --battles 57477 --test-battles 25000 --params embedding.encoder.enabled=false": (
        "measures for ten minutes"
    ),
    "python benchmarks/embedding.py --raw-dir DIR --texts 1000": "measures against a package that is not installed",
}
# Presets whose models are not on this machine: the first pipeline that needs one, and its name.
WEIGHTS = {
    "embedding.preset=qwen3": ("embedding", "Qwen/Qwen3-Embedding-0.6B"),
    "finetuning.preset=distilbert": ("finetuning", "distilbert/distilbert-base-uncased"),
}
# Stand-ins for the reader's own folders and names, and for sizes that would take minutes.
STAND_INS = {
    "DIR": "mine",
    "NAME": "ingestion",
    "RUN": "2",  # the beginning of the only run's id
    "jupyter lab": "jupyter lab --no-browser --allow-root",
    "pip install": "pip install --dry-run",
    "simulation.battles=20000": "simulation.battles=200",
    "simulation.test_battles=5000": "simulation.test_battles=50",
    "tuning.trials=50": "tuning.trials=2",
    "finetuning.enabled=true": "finetuning.enabled=true,finetuning.input.max_tokens=32",
}


def collect_commands(text: str) -> list[str]:
    """List the commands in blocks of shell code and in running text, each once."""
    blocks = re.findall(r"^```(?:bash|sh|shell|console)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines += re.findall(r"`((?:dask|jupyter|kedro|make|pip|pytest|python) [^`]+)`", prose)
    commands = (re.sub(r"(^|\s)#.*", "", line.removeprefix("$ ")).strip() for line in lines)
    return list(dict.fromkeys(command for command in commands if command))


COMMANDS = collect_commands(README)
SERVERS = [command for command in COMMANDS if command.startswith(("kedro viz", "kedro judge serve", "jupyter lab"))]
WITH_WEIGHTS = [command for command in COMMANDS if any(preset in command for preset in WEIGHTS)]
EXECUTED = [command for command in COMMANDS if command not in (*ELSEWHERE, *SERVERS, *WITH_WEIGHTS)]


@pytest.fixture
def checkout(tmp_path: Path, check_out, raw_dir: Path) -> Path:
    folder = check_out(tmp_path / "project")
    shutil.copytree(raw_dir, folder / STAND_INS["DIR"])
    return folder


def prepare(command: str) -> str:
    for name, stand_in in STAND_INS.items():
        command = re.sub(rf"\b{re.escape(name)}\b", stand_in, command)
    return command


@contextmanager
def start(command: str, checkout: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a command in the shell of an activated environment, and leave nothing of it behind."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
        # No browser, no model in the Hub's cache, and nothing is written into the user's own folders.
        "BROWSER": "true",
        "HF_HOME": str(checkout / "hub"),
        "JUPYTER_CONFIG_DIR": str(checkout / "jupyter"),
        "JUPYTER_DATA_DIR": str(checkout / "jupyter"),
    }
    with subprocess.Popen(
        ["sh", "-c", prepare(command)],
        cwd=checkout,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        stop = partial(os.killpg, process.pid, signal.SIGKILL)
        timer = Timer(600, stop)
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()
            with suppress(ProcessLookupError):
                stop()


def execute(command: str, checkout: Path) -> tuple[int, str]:
    with start(command, checkout) as process:
        said, _ = process.communicate()
    return process.returncode, said


def test_commands_are_found_wherever_they_stand() -> None:
    shell = "```bash\nkedro run  # all\n\n# why\nkedro run \\\n--async\n```\n```console\n$ pytest\n```\n"
    others = "```\nno shell\n```\nAs `kedro viz build` or `make x`, not `kedro`.\n"
    expected = ["kedro run", "kedro run  --async", "pytest", "kedro viz build", "make x"]
    assert collect_commands(shell + others) == expected
    assert len(COMMANDS) > 10


def test_every_excused_command_is_one_of_the_readme_or_docs() -> None:
    assert set(ELSEWHERE) <= set(COMMANDS)
    steps = (PROJECT / ".ci" / "run").read_text().splitlines()
    assert {command for command, reason in ELSEWHERE.items() if reason == "CI executes it"} <= set(steps)


@pytest.mark.parametrize("command", [command for command in ELSEWHERE if command.startswith("python ")])
def test_a_benchmark_knows_every_option_that_the_readme_gives_it(command: str) -> None:
    script, *words = command.split()[1:]
    source = (PROJECT / script).read_text(encoding="utf-8")
    assert [word for word in words if word.startswith("--") and f'"{word}"' not in source] == []


@pytest.mark.slow
@pytest.mark.parametrize("command", EXECUTED)
def test_a_command_of_the_readme_works(checkout: Path, command: str) -> None:
    code, said = execute(command, checkout)
    assert code == 0, said[-4000:]
    # What pip says, and nothing more, about an extra that a package does not have.
    assert "does not provide the extra" not in said


@pytest.mark.slow
@pytest.mark.parametrize("command", WITH_WEIGHTS)
def test_a_command_that_needs_larger_weights_says_which_are_missing(checkout: Path, command: str) -> None:
    pipeline, model = next(wanted for preset, wanted in WEIGHTS.items() if preset in command)
    code, said = execute(f"{command} --pipelines={pipeline}", checkout)
    assert code != 0
    assert f"'{model}'" in said


@pytest.mark.slow
@pytest.mark.parametrize("command", SERVERS)
def test_a_server_of_the_readme_shows_its_page(checkout: Path, command: str) -> None:
    said = ""
    address = None
    with start(command, checkout) as server:
        while address is None:
            line = server.stdout.readline()
            said += line
            assert line, said
            address = re.search(r"http://(?:127\.0\.0\.1|localhost):\d+\S*", line)
        page = None
        while page is None:
            assert server.poll() is None, said
            # The address may be printed before anybody listens there.
            time.sleep(0.1)
            with suppress(URLError), urllib.request.urlopen(address[0]) as answer:  # noqa: S310
                page = answer.read().decode()
    assert "<title>" in page
