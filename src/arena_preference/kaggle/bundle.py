"""Contents of the bundle.

::

    bundle.json                  Python version and runs
    requirements.txt, wheels/    packages that Kaggle's image lacks, and this project
    kaggle_submission.ipynb      the notebook
    main/                        a run: conf/ with its parameters, data/ with its fitted models, models/ with encoders
    fallback/                    another run, without transformers (optional)
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from copy import deepcopy
from importlib import metadata, resources
from pathlib import Path
from typing import Any, Final

from arena_preference.lineage.hooks import FROM_RUN
from arena_preference.lineage.manifest import Manifest, open_manifests
from arena_preference.lineage.pinning import choose_run, read_versions
from arena_preference.lineage.pruning import add_needed_runs
from arena_preference.lineage.storage import CatalogStorage
from arena_preference.pretrained import find_model, list_transformers
from arena_preference.run_checks import RUN_KEYS

#: The configuration environment of the notebook.
ENVIRONMENT: Final = "kaggle"

# The list of a run's cross encoders, which are in a store with those of other runs.
_CROSS_ENCODERS: Final = "cross_encoders"
_STORE: Final = "cross_encoder_store"
# Wheel platforms that Kaggle's image supports.
_PLATFORMS: Final = ("manylinux2014_x86_64", "manylinux_2_27_x86_64", "manylinux_2_28_x86_64")
# Published as source only, without compiled code.
_SOURCE_ONLY: Final = ("antlr4-python3-runtime",)


def add_run(source: CatalogStorage, target: CatalogStorage, inputs: Iterable[str], run: str | None) -> Manifest:
    """Copy the inputs of prediction from a run, with all manifests that they depend on, and return the run's manifest.

    Args:
        source: Storage of the run.
        target: Storage of the copies.
        inputs: The datasets that prediction reads. Of those without versions, only the run's cross encoders are copied.
        run: Its id, a prefix of it, or its name; None takes the newest completed run that has all inputs.

    Raises:
        LineageError: If no such run has all inputs, or a file was changed since.
    """
    folder = open_manifests(source)
    manifests = folder.read_all()
    versioned = [name for name in inputs if source.is_versioned(name)]
    run_id, versions = choose_run(versioned, manifests, folder.find(run).run_id if run else None)
    read_versions(versions, manifests, source)
    for name, version in versions.items():
        stored, copy = source.locate(name, version), target.locate(name, version)
        Path(copy.path).parent.mkdir(parents=True)
        stored.fs.get(stored.path, copy.path, recursive=True)
    if _CROSS_ENCODERS in versions:
        described = Path(target.locate(_CROSS_ENCODERS, versions[_CROSS_ENCODERS]).path)
        stored, copy = source.locate(_STORE), target.locate(_STORE)
        for model in json.loads(described.read_text(encoding="utf-8")).get("models", []):
            stored.fs.get(f"{stored.path}/{model['key']}", f"{copy.path}/{model['key']}", recursive=True)
    for needed in add_needed_runs([run_id], manifests):
        open_manifests(target).create(manifests[needed])
    return manifests[run_id]


def copy_models(parameters: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Copy the published transformers of a run to its folder in the bundle.

    Returns:
        The parameters without presets, and with the models' folders relative to the run's.
    """
    changed: dict[str, Any] = deepcopy(dict(parameters))
    for section in changed.values():
        # The parameters contain the preset's values. Merged again, its model would override the bundle's.
        if isinstance(section, dict) and "preset" in section:
            section["preset"] = None
    for name, transformer in list_transformers(changed).items():
        copy = folder / "models" / name
        # The Hub's cache consists of links.
        shutil.copytree(find_model(transformer["model"], transformer["revision"]), copy, symlinks=False)
        transformer.update(model=copy.relative_to(folder).as_posix(), revision=None)
    return changed


def write_conf(conf_source: Path, parameters: Mapping[str, Any], folder: Path) -> None:
    """Write the configuration of a run: the project's catalog, and the run's effective parameters."""
    for path in (*conf_source.glob("base/catalog*.yml"), conf_source / "base/globals.yml", conf_source / "logging.yml"):
        target = folder / path.relative_to(conf_source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (folder / ENVIRONMENT).mkdir()
    (folder / ENVIRONMENT / "globals.yml").write_text("# The notebook sets the folders.\n", encoding="utf-8")
    own = {name: value for name, value in parameters.items() if name not in (*RUN_KEYS, FROM_RUN)}
    text = json.dumps({**own, FROM_RUN: None}, indent=2)
    (folder / "base" / "parameters.json").write_text(text, encoding="utf-8")


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
