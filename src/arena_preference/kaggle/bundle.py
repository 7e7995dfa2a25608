"""Contents of the bundle.

::

    bundle.json                  Python version and runs
    requirements.txt, wheels/    packages that Kaggle's image lacks, and this project
    kaggle_submission.ipynb      the notebook
    main/                        a run: conf/ with its parameters, data/ with its fitted models, models/ with encoders
    fallback/                    another run, without transformers (optional)
"""

import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path
from typing import Final

#: The configuration environment of the notebook.
ENVIRONMENT: Final = "kaggle"

# Wheel platforms that Kaggle's image supports.
_PLATFORMS: Final = ("manylinux2014_x86_64", "manylinux_2_27_x86_64", "manylinux_2_28_x86_64")
# Published as source only, without compiled code.
_SOURCE_ONLY: Final = ("antlr4-python3-runtime",)


def download_wheels(project_path: Path, python: str, folder: Path) -> list[str]:
    """Download the packages that Kaggle's image lacks as wheels, build the project's own, and return requirements.

    Raises:
        RuntimeError: If a package is not installed here, or pip fails.
    """
    lines = resources.files(__package__).joinpath("wheels.txt").read_text(encoding="utf-8").splitlines()
    names = [line for line in lines if line and not line.startswith("#")]
    try:
        pins = {name: f"{name}=={metadata.version(name)}" for name in names}
    except metadata.PackageNotFoundError as error:
        raise RuntimeError(
            f"The bundle needs {error.name}, which is not installed here: pip install -e '.[finetuning]'"
        ) from error
    platforms = [f"--platform={platform}" for platform in _PLATFORMS]
    wheels = [pin for name, pin in pins.items() if name not in _SOURCE_ONLY]
    _run_pip("download", "--only-binary=:all:", f"--python-version={python}", *platforms, f"--dest={folder}", *wheels)
    _run_pip("wheel", f"--wheel-dir={folder}", str(project_path), *(pins[name] for name in _SOURCE_ONLY))
    return [*pins.values(), f"arena-preference=={metadata.version('arena-preference')}"]


def _run_pip(command: str, *arguments: str) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run([sys.executable, "-m", "pip", command, *options, *arguments])  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"pip {command} failed, see the lines above. Is the package index reachable?")
