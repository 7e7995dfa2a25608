"""Writes everything that a run's model needs into one folder or archive, and uploads it to the Hugging Face Hub.

::

    README.md     model card
    export.json   run, and hashes of all other files
    conf/         catalog and parameters of the run, for `kedro run --pipelines=submission --conf-source=conf`
    data/         fitted models and manifests, as in a data folder
    models/       published transformers, unless they are left to be found by their names
"""

import hashlib
import json
import shutil
import warnings
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from kedro.config import OmegaConfigLoader
from kedro.io import CatalogConfigResolver

from arena_preference import __version__
from arena_preference.lineage.manifest import Manifest
from arena_preference.lineage.storage import CatalogStorage
from arena_preference.run_copy import add_run, clear_presets, copy_models, write_conf
from arena_preference.settings import CONFIG_LOADER_ARGS

from .artefacts import find_copied_models, find_data, open_source
from .model_card import REPORTS, write_card
from .predictor import FITTED

#: The list of an export's files, by which it is known.
LISTING: Final = "export.json"

# What the submission pipeline reads beside the fitted objects: it looks whether test battles were trained on.
_LABELS: Final = "labels"
_ENVIRONMENT: Final = "local"


def export_run(
    source: str | Path,
    output: Path,
    *,
    run: str | None = None,
    conf: Path | None = None,
    with_models: bool = True,
    push_to: str | None = None,
    public: bool = False,
) -> tuple[Manifest, str | None]:
    """Write a run's model to a folder, or to an archive if the name ends with .zip, and upload it if asked to.

    Args:
        source: As of ``Judge.load``.
        output: The folder or archive; an earlier export is replaced.
        run: The run's id, a prefix of it, or its name; None takes the newest complete training.
        conf: The project's configuration, if the source has none beside its data.
        with_models: Copy the published transformers.
        push_to: Repository on the Hub, OWNER/NAME.
        public: Whether the repository is public.

    Returns:
        The run's manifest, and the address on the Hub.

    Raises:
        ValueError: If the output exists and is not an export, there is no configuration, or the upload fails.
        FileNotFoundError: If the source or a transformer is not found.
        LineageError: If no run is complete, or a file was changed.
    """
    _check_output(output)
    opened, extracted = open_source(source)
    # An interrupted command does not replace a complete export.
    temporary = output.with_name(f"{output.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        data = find_data(opened, source)
        manifest = _write(data, _find_conf(data, conf), run, temporary, with_models)
        folder = temporary if output.suffix == ".zip" else output
        if folder == output:
            shutil.rmtree(output, ignore_errors=True)
            temporary.rename(output)
        else:
            _write_archive(temporary, output)
        return manifest, push(folder, push_to, f"Run {manifest.run_id}", public=public) if push_to else None
    finally:
        for leftover in filter(None, (temporary, extracted)):
            shutil.rmtree(leftover, ignore_errors=True)


def _write(data: Path, conf: Path, run: str | None, folder: Path, with_models: bool) -> Manifest:
    source, target = (_open_catalog(conf, root) for root in (data, folder / "data"))
    manifest = add_run(source, target, [*FITTED, _LABELS], run, also=REPORTS)
    own = find_copied_models(manifest.parameters, data)
    parameters = copy_models(own, folder) if with_models else clear_presets(manifest.parameters)
    write_conf(conf, parameters, folder / "conf", _ENVIRONMENT)
    (folder / "README.md").write_text(write_card(manifest, target, FITTED), encoding="utf-8")
    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    listing = {"run": manifest.run_id, "version": __version__, "files": files}
    (folder / LISTING).write_text(json.dumps(listing, indent=2), encoding="utf-8")
    return manifest


def _open_catalog(conf: Path, data_root: Path) -> CatalogStorage:
    """Return the storage of a data folder by the base catalog, which is what is exported."""
    arguments: Any = {**CONFIG_LOADER_ARGS, "default_run_env": "base"}
    loader = OmegaConfigLoader(str(conf), runtime_params={"data_root": str(data_root.absolute())}, **arguments)
    memory = {"{default}": {"type": "kedro.io.MemoryDataset"}}
    return CatalogStorage(CatalogConfigResolver(loader["catalog"], default_runtime_patterns=memory), conf.parent)


def _find_conf(data: Path, project: Path | None) -> Path:
    for conf in (data.parent / "conf", project):
        if conf and (conf / "base" / "catalog.yml").is_file():
            return conf
    raise ValueError(
        f"There is no configuration for '{data}': neither conf beside it, nor a project here. Export it with `kedro "
        "judge export` in the folder of the project."
    )


def _check_output(output: Path) -> None:
    """Raise ValueError if the output is anything else than an export, or has files that export did not write."""
    if not output.exists():
        return
    found, listed = set[str](), None
    if output.is_dir():
        found = {path.relative_to(output).as_posix() for path in output.rglob("*") if not path.is_dir()}
        if LISTING in found:
            listed = json.loads((output / LISTING).read_text(encoding="utf-8"))
    elif zipfile.is_zipfile(output):
        with zipfile.ZipFile(output) as archive:
            found = set(archive.namelist())
            listed = json.loads(archive.read(LISTING)) if LISTING in found else None
    if listed is None or output.is_dir() is (output.suffix == ".zip"):
        raise ValueError(f"'{output}' exists and is not an export. Choose another name.")
    if foreign := sorted(found - {LISTING} - listed["files"].keys()):
        raise ValueError(
            f"'{output}' has files that export did not write: {', '.join(foreign[:3])}. Move them away, or choose "
            "another name."
        )


def _write_archive(folder: Path, output: Path) -> None:
    with TemporaryDirectory(dir=output.parent) as temporary:
        path = Path(temporary) / output.name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(folder))
        path.replace(output)


def push(folder: Path, repository: str, message: str, *, public: bool = False) -> str:
    """Upload an export to a repository on the Hub, which is made if there is none, and return its address.

    Raises:
        ValueError: If there is no token, the Hub rejects the token or the name, it cannot be reached, or the repository
            is public and ``public`` is not set.
    """
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError, HTTPError  # type: ignore[attr-defined]

    kept = f"'{folder.name.removesuffix('.tmp')}' is written, and can be pushed again."
    if get_token() is None:
        raise ValueError(f"There is no token for the Hub. Log in with `hf auth login`, or set HF_TOKEN. {kept}")
    api = HfApi()
    try:
        # Without a word on visibility, an organization's default would hold.
        address = api.create_repo(repository, private=not public, exist_ok=True)
        if not public and not api.model_info(repository).private:
            raise ValueError(f"{repository} is a public repository. Push there with --public. {kept}")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="It seems that you are about to commit a data file")
            api.upload_folder(
                repo_id=repository,
                folder_path=folder,
                commit_message=message,
                # Files of an earlier export; those that are uploaded stay.
                delete_patterns=[LISTING, "conf/*", "data/*", "models/*"],
            )
    except HfHubHTTPError as error:
        status = error.response.status_code
        action = "Try again later" if status >= 500 else "Check the name, and that HF_TOKEN may write there"
        raise ValueError(
            f"The Hub rejected the upload to {repository} ({status} {error.server_message or ''}). {action}. {kept}"
        ) from error
    except (HTTPError, OSError) as error:
        raise ValueError(
            f"The Hub could not be reached ({error}). Check the network, and that HF_HUB_OFFLINE is not set. {kept}"
        ) from error
    return str(address)
