"""Finds and loads what a run has fitted: from a data folder, an exported folder or archive, or the Hub."""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final, NamedTuple

import fsspec

from arena_preference.lineage.manifest import Manifest, ManifestFolder
from arena_preference.lineage.pinning import LineageError, choose_run
from arena_preference.lineage.storage import StoredPath

# Where the catalog puts the manifests, below the data folder.
_RUNS: Final = "08_reporting/runs"
#: And the cross encoders, in a store that has no versions.
CROSS_ENCODER_STORE: Final = "04_feature/cross_encoder_store"
# The data folder: the source itself, that of an exported folder, and that of a bundle for Kaggle.
_DATA_FOLDERS: Final = (".", "data", "main/data")
# The catalog's <layer>/<dataset>/<version>/<dataset>.
_PATH_PARTS: Final = 4


class Artefacts(NamedTuple):
    """What one run has fitted.

    Attributes:
        manifest: Of the run.
        data: The data folder.
        fitted: The fitted objects by the name of their dataset.
        temporary: The folder that holds all of it if it came from an archive, to be deleted in the end.
    """

    manifest: Manifest
    data: Path
    fitted: dict[str, Any]
    temporary: Path | None


def load_artefacts(source: str | Path, run: str | None, names: Iterable[str]) -> Artefacts:
    """Load datasets of a run, after checking their hashes.

    Args:
        source: A data folder, a folder or .zip that was exported, a bundle for Kaggle, or a repository on the Hub.
        run: The run's id, a prefix of it, or its name; None takes the newest completed run that has all datasets.
        names: The datasets.

    Raises:
        FileNotFoundError: If the source is not found, or no run is stored in it.
        LineageError: If no completed run has all datasets, or a file is missing or was changed.
        ValueError: If no run, or more than one, matches.
    """
    folder, temporary = _open_source(source)
    try:
        return _load_run(_find_data(folder, source), run, names, temporary)
    except BaseException:
        if temporary:
            shutil.rmtree(temporary)
        raise


def _load_run(data: Path, run: str | None, names: Iterable[str], temporary: Path | None) -> Artefacts:
    manifests = ManifestFolder(StoredPath(fsspec.filesystem("file"), str(data / _RUNS)))
    every = manifests.read_all()
    run_id, versions = choose_run(names, every, manifests.find(run).run_id if run else None)
    fitted = {}
    for name, version in versions.items():
        record = every[version].written[name]
        path = data.joinpath(*Path(record.path).parts[-_PATH_PARTS:])
        if not path.is_file():
            raise LineageError(f"Run {version} wrote {name}, and '{path}' is missing. Restore it, or train again.")
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != record.sha256:
            raise LineageError(f"'{path}' is not what run {version} wrote. Restore it, or train again.")
        fitted[name] = _decode(path, content)
    return Artefacts(every[run_id], data, fitted, temporary)


def _open_source(source: str | Path) -> tuple[Path, Path | None]:
    path = Path(source).expanduser()
    if path.is_dir():
        return path, None
    if path.is_file():
        if not zipfile.is_zipfile(path):
            raise FileNotFoundError(f"'{path}' is neither a folder nor a .zip. Pass the folder that has the runs.")
        temporary = Path(mkdtemp(prefix="arena-preference-"))
        with zipfile.ZipFile(path) as archive:
            # zipfile removes ".." and absolute paths.
            archive.extractall(temporary)
        return temporary, temporary
    if isinstance(source, str) and _may_be_on_hub(source):
        return _download(source), None
    raise FileNotFoundError(
        f"There is no '{path}'. Train a model with `kedro run`, or pass the data folder of a project, a folder or .zip "
        "that `kedro judge export` wrote, or the name of a repository on the Hugging Face Hub, OWNER/NAME."
    )


def _may_be_on_hub(source: str) -> bool:
    return source.count("/") == 1 and not source.startswith((".", "~", "/")) and not source.endswith("/")


def _download(repository: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as reason:
        raise FileNotFoundError(
            f"'{repository}' is not a folder here, and could not be downloaded from the Hugging Face Hub "
            f"({str(reason).splitlines()[0]}). Check the name, the network, and for a private repository HF_TOKEN."
        ) from reason


def _find_data(folder: Path, source: str | Path) -> Path:
    for name in _DATA_FOLDERS:
        if (folder / name / _RUNS).is_dir():
            return folder / name
    raise FileNotFoundError(
        f"'{source}' has no runs: neither {_RUNS} nor data/{_RUNS} is in it. Train a model with `kedro run`, or pass "
        "another folder."
    )


def _decode(path: Path, content: bytes) -> Any:
    """The object in a file's content, by the catalog's type for its suffix."""
    from arena_preference.datasets import CatBoostDataset, SafetensorsDataset, SkopsDataset

    if path.suffix == ".json":
        return json.loads(content)
    types = {".cbm": CatBoostDataset, ".safetensors": SafetensorsDataset, ".skops": SkopsDataset}
    return types[path.suffix](filepath=str(path)).decode(content)
