"""The project as an installed package, away from its folder."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_project_is_shown_packaged_and_predicts_the_same_in_another_folder(
    kedro, newest, raw_dir: Path, trained: Path, tmp_path: Path
) -> None:
    project, site, elsewhere, data_root = (tmp_path / name for name in ("project", "site", "elsewhere", "data"))
    for name in ("conf", "src"):
        shutil.copytree(PROJECT / name, project / name, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, project / name)
    shutil.copytree(trained, data_root)
    elsewhere.mkdir()

    kedro("viz", "build", cwd=project)
    assert (project / "build" / "index.html").is_file()
    kedro("package", cwd=project)
    (wheel,) = (project / "dist").glob("arena_preference-*.whl")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, timeout=300)
    conf = project / "dist" / "conf-arena_preference.tar.gz"
    command = [
        sys.executable,
        "-m",
        "arena_preference",
        f"--conf-source={conf}",
        "--env=test",
        "--pipelines=submission",
    ]
    done = subprocess.run(
        [*command, f"--params=raw_dir={raw_dir},data_root={data_root}"],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    question = ["--prompt=What is 2 + 2?", "--a=4", "--b=I think that it may be 5.", "--json"]
    asked = subprocess.run(
        [sys.executable, "-m", "arena_preference", "judge", "compare", f"--model={data_root}", *question],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert asked.returncode == 0, asked.stderr
    preference = json.loads(asked.stdout)
    assert sum(preference[name] for name in ("a", "b", "tie")) == pytest.approx(1)
    assert (site / "arena_preference" / "judge" / "model_card.md.j2").exists()
    submissions = sorted((data_root / "07_model_output" / "submission.csv").iterdir())
    assert len(submissions) == 2
    assert (
        newest(data_root, "07_model_output/submission.csv").read_bytes()
        == newest(trained, "07_model_output/submission.csv").read_bytes()
    )
    assert not list(elsewhere.iterdir())
