"""The offline notebook as Kaggle runs it: another environment, the bundle among its inputs, and no network.

`make test-all` predicts 500 battles, `make kaggle-test` as many as the competition's hidden test file has.
"""

import os
import platform
import shutil
import subprocess
import tempfile
import venv
from collections.abc import Callable
from importlib import metadata, resources
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[2]
BATTLES = int(os.environ.get("KAGGLE_BATTLES", "500"))
#: Packages of Kaggle's image that the notebook needs.
IMAGE = ("torch", "pandas", "ipykernel", "nbclient")
INSTALL = "--find-links"

#: Executes a notebook without a network: it talks to the kernel through sockets in the filesystem.
EXECUTE = """
import sys
import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

path = sys.argv[1]
notebook = nbformat.read(path, as_version=4)
try:
    NotebookClient(notebook, km=AsyncKernelManager(kernel_name="python3", transport="ipc"), timeout=7200).execute()
finally:
    nbformat.write(notebook, path)
"""

Notebook = Callable[..., subprocess.CompletedProcess[str]]


def list_dependencies(names: tuple[str, ...]) -> set[str]:
    """Return the distributions with all that they depend on, as installed here."""
    found: set[str] = set()
    wanted = [Requirement(name) for name in names]
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        if name in found:
            continue
        found.add(name)
        for line in metadata.requires(name) or []:
            dependency = Requirement(line)
            environments = [{"extra": extra} for extra in (*requirement.extras, "")]
            if not dependency.marker or any(dependency.marker.evaluate(each) for each in environments):
                wanted.append(dependency)
    return found


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with the packages of Kaggle's image only."""
    folder = tmp_path_factory.mktemp("image")
    venv.create(folder, with_pip=True, symlinks=True)
    (site,) = folder.glob("lib/python3*/site-packages")
    for name in list_dependencies(IMAGE):
        distribution = metadata.distribution(name)
        for top in {Path(file).parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(distribution.locate_file(top))))
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def attached(tmp_path_factory: pytest.TempPathFactory, kedro, trained: Path, raw_dir: Path) -> Path:
    """A substitute for /kaggle/input: the bundle, with a main and a fallback run, and a hidden test file."""
    folder = tmp_path_factory.mktemp("input")
    hidden, data_root = folder / "competition", tmp_path_factory.mktemp("data") / "data"
    kedro(
        *("run", "--env=test", "--pipelines=simulation"),
        f"--params=raw_dir={hidden},data_root={folder.parent / 'simulated'},simulation.test_battles={BATTLES},seed=1",
    )
    for path in hidden.iterdir():
        if path.name != "test.csv":
            path.unlink()
    shutil.copytree(trained, data_root)
    kedro("run", "--env=test", f"--params=raw_dir={raw_dir},data_root={data_root},embedding.encoder.enabled=false")
    newest, oldest = sorted((path.stem for path in (data_root / "08_reporting/runs").glob("*.json")), reverse=True)
    made = kedro(
        *("kaggle", "bundle", f"--run={oldest}", f"--fallback={newest}", "--no-upload"),
        f"--python={'.'.join(platform.python_version_tuple()[:2])}",
        f"--output={folder / 'arena-preference'}",
        f"--params=data_root={data_root}",
    )
    assert "Save & Run All" in made.stdout
    return folder


@pytest.fixture(scope="module")
def notebook(image: Path, attached: Path, tmp_path_factory: pytest.TempPathFactory) -> Notebook:
    """Execute the notebook, with some of its settings changed."""
    working, scratch = tmp_path_factory.mktemp("working"), tmp_path_factory.mktemp("scratch")
    path, program = working / "notebook.ipynb", working / "execute.py"
    program.write_text(EXECUTE)
    # Some users may not create a network namespace; then only HF_HUB_OFFLINE and pip's --no-index keep it offline.
    alone = ["unshare", "--net", "--map-root-user"]
    prefix = [] if subprocess.run([*alone, "true"], capture_output=True).returncode else alone

    def execute(**changes: str) -> subprocess.CompletedProcess[str]:
        content = nbformat.read(attached / "arena-preference" / "kaggle_submission.ipynb", as_version=4)
        for cell in content.cells:
            for old, new in changes.items():
                cell.source = cell.source.replace(f"\n{old} = ", f"\n{old} = {new}  # ")
        # Tests run in any order; the first one installs.
        if (scratch / "packages").is_dir():
            content.cells = [cell for cell in content.cells if INSTALL not in cell.source]
            content.cells[1].source += '\nPACKAGES = SCRATCH / "packages"'
        nbformat.write(content, path)
        for name in ("main", "fallback"):
            shutil.rmtree(scratch / name, ignore_errors=True)
        (working / "submission.csv").unlink(missing_ok=True)
        with tempfile.TemporaryDirectory() as sockets:
            return subprocess.run(
                [*prefix, str(image), str(program), str(path)],
                cwd=working,
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(working),
                    "JUPYTER_RUNTIME_DIR": sockets,
                    "KAGGLE_INPUT_DIR": str(attached),
                    "KAGGLE_WORKING_DIR": str(working),
                    "KAGGLE_SCRATCH_DIR": str(scratch),
                },
                capture_output=True,
                text=True,
                timeout=7200,
            )

    return execute


def read_outputs(working: Path) -> str:
    notebook = nbformat.read(working / "notebook.ipynb", as_version=4)
    return "\n".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))


def test_the_list_of_wheels_is_the_project_s_dependencies_without_those_of_torch() -> None:
    lines = resources.files("arena_preference.kaggle").joinpath("wheels.txt").read_text().splitlines()
    listed = {line for line in lines if not line.startswith("#")}
    needed = list_dependencies(("arena-preference[finetuning]",)) - list_dependencies(("torch",)) - {"arena-preference"}
    assert listed == needed


@pytest.mark.slow
def test_the_notebook_predicts_every_battle_offline_as_the_project_does(
    notebook: Notebook, attached: Path, kedro, newest, trained: Path, tmp_path: Path
) -> None:
    done = notebook()
    assert done.returncode == 0, done.stderr[-4000:]
    working = Path(done.args[-1]).parent
    submission = working / "submission.csv"
    assert f"{BATTLES} battles predicted by run" in read_outputs(working)
    ids = pd.read_csv(attached / "competition" / "test.csv", usecols=["id"])["id"]
    assert pd.read_csv(submission)["id"].tolist() == ids.tolist()
    shutil.copytree(trained, tmp_path / "data")
    parameters = f"--params=raw_dir={attached / 'competition'},data_root={tmp_path / 'data'}"
    kedro("run", "--env=test", "--pipelines=submission", parameters)
    expected = newest(tmp_path / "data", "07_model_output/submission.csv")
    assert submission.read_bytes() == expected.read_bytes()
    size = sum(path.stat().st_size for path in (attached / "arena-preference").rglob("*") if path.is_file())
    assert size <= 500e6


@pytest.mark.slow
def test_too_short_a_time_budget_stops_the_notebook_early_with_the_reason(notebook: Notebook) -> None:
    done = notebook(TIME_BUDGET="0.5")
    assert done.returncode != 0
    assert "There is no submission" in done.stderr
    assert "inference.time_budget" in done.stderr
    assert not (Path(done.args[-1]).parent / "submission.csv").exists()


@pytest.mark.slow
def test_the_fallback_without_a_transformer_predicts_if_it_is_allowed(notebook: Notebook, attached: Path) -> None:
    done = notebook(TIME_BUDGET="0.5", ALLOW_FALLBACK="True")
    assert done.returncode == 0, done.stderr[-4000:]
    working = Path(done.args[-1]).parent
    assert "inference.time_budget" in read_outputs(working)
    assert len(pd.read_csv(working / "submission.csv")) == BATTLES
