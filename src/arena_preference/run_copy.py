"""Self-contained copies of a run: its fitted models, its configuration, and its published transformers."""

import json
import shutil
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from arena_preference.lineage.hooks import FROM_RUN
from arena_preference.lineage.manifest import Manifest, open_manifests
from arena_preference.lineage.pinning import choose_run, read_versions, view_runs
from arena_preference.lineage.pruning import add_needed_runs
from arena_preference.lineage.storage import CatalogStorage
from arena_preference.pretrained import find_model, list_transformers
from arena_preference.run_checks import RUN_KEYS

# The list of a run's cross encoders, which are in a store with those of other runs.
_CROSS_ENCODERS: Final = "cross_encoders"
_STORE: Final = "cross_encoder_store"


def add_run(
    source: CatalogStorage, target: CatalogStorage, inputs: Iterable[str], run: str | None, also: Iterable[str] = ()
) -> Manifest:
    """Copy the inputs of prediction from a run, with all manifests that they depend on, and return the run's manifest.

    Args:
        source: Storage of the run.
        target: Storage of the copies.
        inputs: The datasets that prediction reads. Of those without versions, only the run's cross encoders are copied.
        run: Its id, a prefix of it, or its name; None takes the newest completed run that has all inputs.
        also: Datasets with versions that are copied if the run has them and they are still stored.

    Raises:
        LineageError: If no such run has all inputs, or a file was changed since.
    """
    folder = open_manifests(source)
    manifests = folder.read_all()
    versioned = [name for name in inputs if source.is_versioned(name)]
    run_id, versions = choose_run(versioned, manifests, folder.find(run).run_id if run else None)
    view = view_runs(manifests)[run_id]
    versions |= {name: view[name] for name in also if name in view and source.locate(name, view[name]).exists()}
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


def clear_presets(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a run's parameters without presets, whose values the parameters contain."""
    changed: dict[str, Any] = deepcopy(dict(parameters))
    for section in changed.values():
        # Merged again, the preset's model would override that of the copy.
        if isinstance(section, dict) and "preset" in section:
            section["preset"] = None
    return changed


def copy_models(parameters: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Copy the published transformers of a run to a folder.

    Returns:
        The parameters without presets, and with the paths of the models relative to the folder.
    """
    changed = clear_presets(parameters)
    for name, transformer in list_transformers(changed).items():
        copy = folder / "models" / name
        # The Hub's cache consists of links.
        shutil.copytree(find_model(transformer["model"], transformer["revision"]), copy, symlinks=False)
        transformer.update(model=copy.relative_to(folder).as_posix(), revision=None)
    return changed


def write_conf(conf_source: Path, parameters: Mapping[str, Any], folder: Path, environment: str) -> None:
    """Write the configuration of a run: the project's catalog, the run's effective parameters, and an environment."""
    for path in (*conf_source.glob("base/catalog*.yml"), conf_source / "base/globals.yml", conf_source / "logging.yml"):
        target = folder / path.relative_to(conf_source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (folder / environment).mkdir()
    (folder / environment / "globals.yml").write_text("# --params=raw_dir=DIR names the battles.\n", encoding="utf-8")
    own = {name: value for name, value in parameters.items() if name not in (*RUN_KEYS, FROM_RUN)}
    text = json.dumps({**own, FROM_RUN: None}, indent=2)
    (folder / "base" / "parameters.json").write_text(text, encoding="utf-8")
