"""What goes into the bundle, and where.

::

    bundle.json                  Python version and runs
    requirements.txt, wheels/    what Kaggle's image lacks, and this project
    kaggle_submission.ipynb      the notebook that uses the rest
    main/                        a run: conf/ with its parameters, data/ with what it fitted, models/ with its encoder
    fallback/                    another run, without a transformer, if one was named
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any, Final

from arena_preference.lineage.hooks import FROM_RUN
from arena_preference.lineage.manifest import Manifest, ManifestFolder
from arena_preference.lineage.pinning import check_files, choose_run, measure_versions
from arena_preference.lineage.pruning import add_needed_runs
from arena_preference.lineage.storage import CatalogStorage
from arena_preference.presets import STAGES as PRESET_STAGES
from arena_preference.pretrained import find_model
from arena_preference.run_checks import RUN_KEYS

#: Environment of the configuration in which the notebook runs.
ENVIRONMENT: Final = "kaggle"

# What was trained of the cross encoders of each fold, and where their files are.
_CROSS_ENCODERS: Final = "cross_encoders"
_STORE: Final = "cross_encoder_store"
# Platforms of the wheels that Kaggle's image can install.
_PLATFORMS: Final = ("manylinux2014_x86_64", "manylinux_2_27_x86_64", "manylinux_2_28_x86_64")
# Published as source only, without compiled code.
_SOURCE_ONLY: Final = ("antlr4-python3-runtime",)


@dataclass(frozen=True)
class StoredRuns:
    """The runs of a data folder: their manifests, and where their outputs lie."""

    folder: ManifestFolder
    storage: CatalogStorage


def add_run(stored: StoredRuns, target: StoredRuns, needed: Iterable[str], run: str | None) -> Manifest:
    """Copy what predicting needs of one run, with the manifests that say so.

    Args:
        stored: Where the run is.
        target: Where the copy is to be.
        needed: The datasets with versions that predicting reads.
        run: Its id, the beginning of it, or its name; None takes the newest complete one that has all of them.

    Returns:
        The manifest of the run.

    Raises:
        LineageError: If no such run has all of them, or a file is not what its run wrote.
        ValueError: If there is no such run.
    """
    manifests = stored.folder.read_all()
    run_id, versions = choose_run(needed, manifests, stored.folder.find(run).run_id if run else None)
    check_files(measure_versions(versions, stored.storage), manifests)
    for name, version in versions.items():
        place, copy = stored.storage.locate(name, version), target.storage.locate(name, version)
        Path(copy.path).parent.mkdir(parents=True)
        place.fs.get_file(place.path, copy.path)
    described = target.storage.locate(_CROSS_ENCODERS, versions[_CROSS_ENCODERS])
    for model in json.loads(Path(described.path).read_text(encoding="utf-8")).get("models", []):
        # The store holds those of other runs, too.
        place, copy = (stored.storage.locate(_STORE), target.storage.locate(_STORE))
        place.fs.get(f"{place.path}/{model['key']}", f"{copy.path}/{model['key']}", recursive=True)
    for needed_id in add_needed_runs([run_id], manifests):
        target.folder.create(manifests[needed_id])
    return manifests[run_id]


def copy_models(parameters: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Copy the files of the published transformers that a run used.

    Args:
        parameters: Of the run.
        folder: The run's folder in the bundle.

    Returns:
        The parameters, in which these models are now folders relative to the run's, without presets.

    Raises:
        FileNotFoundError: If a model is not to be found.
    """
    changed: dict[str, Any] = deepcopy(dict(parameters))
    # Their values are among the parameters, and would override the folders.
    for stage in PRESET_STAGES:
        changed[stage]["preset"] = None
    for name, options in list_transformers(changed).items():
        copy = folder / "models" / name
        # The Hub's cache is made of links.
        shutil.copytree(find_model(options["model"], options["revision"]), copy, symlinks=False)
        options.update(model=copy.relative_to(folder).as_posix(), revision=None)
    return changed


def list_transformers(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Give the parameters of the transformers that a run used, by their names: what takes hours on a CPU."""
    embedding = parameters["embedding"]
    known = {
        "encoder": embedding["encoder"],
        "reward_model": embedding["reward_model"],
        "cross_encoder": parameters["finetuning"],
    }
    return {name: options for name, options in known.items() if options["enabled"]}


def write_conf(conf_source: Path, parameters: Mapping[str, Any], folder: Path) -> None:
    """Write the configuration of a run: the project's catalog, and the run's own parameters, whatever had set them.

    Args:
        conf_source: The project's configuration.
        parameters: Of the run.
        folder: Where the configuration goes.
    """
    for path in (*conf_source.glob("base/catalog*.yml"), conf_source / "base/globals.yml", conf_source / "logging.yml"):
        target = folder / path.relative_to(conf_source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (folder / ENVIRONMENT).mkdir()
    (folder / ENVIRONMENT / "globals.yml").write_text("# The notebook names the folders.\n", encoding="utf-8")
    own = {name: value for name, value in parameters.items() if name not in RUN_KEYS}
    text = json.dumps({**own, FROM_RUN: None}, indent=2)
    (folder / "base" / "parameters.json").write_text(text, encoding="utf-8")


def download_wheels(project_path: Path, python: str, folder: Path) -> list[str]:
    """Fetch the wheels of the packages that Kaggle's image lacks, and build the project's own.

    Args:
        project_path: Where the project's source is.
        python: Version of Kaggle's Python, such as 3.12.
        folder: Where the wheels go.

    Returns:
        Each package with its version, as pip's requirements have it.

    Raises:
        RuntimeError: If a package is not installed here, or pip fails; it has said why.
    """
    lines = resources.files(__package__).joinpath("wheels.txt").read_text(encoding="utf-8").splitlines()
    names = [line for line in lines if line and not line.startswith("#")]
    try:
        pins = {name: f"{name}=={metadata.version(name)}" for name in names}
    except metadata.PackageNotFoundError as error:
        raise RuntimeError(
            f"{error.name} is not installed here, and the bundle is to have it: pip install -e '.[finetuning]'"
        ) from error
    wheels = [pin for name, pin in pins.items() if name not in _SOURCE_ONLY]
    platforms = [argument for platform in _PLATFORMS for argument in ("--platform", platform)]
    _call_pip("download", "--only-binary=:all:", f"--python-version={python}", *platforms, f"--dest={folder}", *wheels)
    sources = [pins[name] for name in _SOURCE_ONLY]
    _call_pip("wheel", f"--wheel-dir={folder}", str(project_path), *sources)
    own = "arena-preference"
    return [*pins.values(), f"{own}=={metadata.version(own)}"]


def _call_pip(command: str, *arguments: str) -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", "--no-deps", *arguments]
    )
    if done.returncode:
        raise RuntimeError(
            f"pip {command} failed. It needs the package index within reach; see above for what it said."
        )
