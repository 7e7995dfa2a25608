"""``kedro kaggle``: make the bundle for an offline notebook, and send it there."""

import json
import shutil
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.utils import _split_params, env_option
from kedro.framework.project import pipelines, settings
from kedro.framework.startup import ProjectMetadata

from arena_preference.lineage.manifest import open_manifests
from arena_preference.lineage.pinning import LineageError
from arena_preference.lineage.storage import CatalogStorage

from .bundle import StoredRuns, add_run, copy_models, download_wheels, list_transformers, write_conf

_NOTEBOOK = "notebooks/kaggle_submission.ipynb"
_NAME = "arena-preference"

_BY_HAND = "kaggle.com/datasets > New Dataset: upload that folder, call it {name} and leave it private."
_UPLOADED = "The bundle is at {address}, for you alone."
_STEPS = """\
{folder} holds the bundle for Kaggle, {size:.0f} MB, with run {run}. What to do there:
  1. {upload}
  2. The competition > Code > New Notebook > File > Import Notebook: {folder}/{notebook}
  3. Add Input: the competition's data and your dataset {name}. Internet: off. Accelerator: GPU T4 x2.
  4. Save Version > Save & Run All, and when it has run: Submit to Competition.
"""


@click.group(name="kaggle")
def kaggle() -> None:
    """Predict in an offline notebook on Kaggle."""


@kaggle.command()
@click.option("--run", help="The training to predict with: id, beginning of it, or name. By default the newest.")
@click.option("--fallback", help="A training without transformers, for when their time does not suffice.")
@click.option("--python", default="3.12", show_default=True, help="Version of Kaggle's Python.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("dist/kaggle"), show_default=True, help="Folder to make."
)
@click.option("--upload/--no-upload", default=True, help="Send it to Kaggle, if this machine has a token for that.")
@env_option
@click.option(
    "--params",
    type=click.UNPROCESSED,
    default="",
    callback=_split_params,
    help="As of `kedro run`; data_root says where the trainings are.",
)
@click.pass_obj
def bundle(
    metadata: ProjectMetadata,
    run: str | None,
    fallback: str | None,
    python: str,
    output: Path,
    upload: bool,
    env: str | None,
    params: dict[str, Any],
) -> None:
    """Put everything that a notebook without internet needs into one folder, ready to be attached as a dataset."""
    if output.exists() and not (output / "bundle.json").is_file():
        raise click.ClickException(f"{output} is there and is no bundle. Name another folder with --output.")
    # A bundle that is cut off has no bundle.json, and does not take the place of a whole one.
    unfinished = output.with_name(f"{output.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        runs = {}
        for name, chosen in {"main": run, "fallback": fallback}.items():
            if name == "main" or chosen:
                runs[name] = _add_run(metadata, env, params, chosen, unfinished / name)
        requirements = download_wheels(metadata.project_path, python, unfinished / "wheels")
    except (LineageError, ValueError, OSError, RuntimeError) as error:
        raise click.ClickException(str(error)) from error
    (unfinished / "requirements.txt").write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
    shutil.copy(metadata.project_path / _NOTEBOOK, unfinished)
    (unfinished / "bundle.json").write_text(json.dumps({"python": python, "runs": runs}, indent=2), encoding="utf-8")
    shutil.rmtree(output, ignore_errors=True)
    unfinished.rename(output)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file()) / 1e6
    address = _upload(output, f"Run {runs['main']}") if upload else None
    step = _UPLOADED.format(address=address) if address else _BY_HAND.format(name=_NAME)
    notebook = Path(_NOTEBOOK).name
    click.echo(
        _STEPS.format(folder=output, size=size, run=runs["main"], upload=step, notebook=notebook, name=_NAME), nl=False
    )


def _add_run(metadata: ProjectMetadata, env: str | None, params: dict[str, Any], run: str | None, folder: Path) -> str:
    source, conf_source = _open(metadata, env, params)
    target, _ = _open(metadata, env, {**params, "data_root": str((folder / "data").absolute())})
    stored = [name for name in pipelines["submission"].inputs() if source.storage.is_versioned(name)]
    manifest = add_run(source, target, stored, run)
    if folder.name == "fallback" and (models := list_transformers(manifest.parameters)):
        raise ValueError(
            f"Run {manifest.run_id} uses transformers ({', '.join(models)}), and would not be quicker than what it is "
            "to stand in for. Train one without, with embedding.encoder.enabled=false."
        )
    write_conf(conf_source, copy_models(manifest.parameters, folder), folder / "conf")
    return manifest.run_id


def _open(metadata: ProjectMetadata, env: str | None, params: dict[str, Any]) -> tuple[StoredRuns, Path]:
    with settings.SESSION_CLASS.create(
        metadata.project_path, env=env, runtime_params=params, save_on_close=False
    ) as session:
        context = session.load_context()
    storage = CatalogStorage(context.catalog.config_resolver, metadata.project_path)
    return StoredRuns(open_manifests(context.catalog), storage), Path(context.config_loader.conf_source)


def _upload(folder: Path, notes: str) -> str | None:
    """Send a bundle to Kaggle as a private dataset, or a new version of it, if this machine has a token for that.

    Returns:
        The dataset's address, or None without the client or a token.

    Raises:
        ClickException: If Kaggle does not take it.
    """
    try:
        import kagglehub
        import kagglehub.config
        import kagglehub.exceptions
    except ModuleNotFoundError:
        return None
    if kagglehub.config.get_kaggle_credentials() is None:
        return None
    refusals = (kagglehub.exceptions.UnauthenticatedError, kagglehub.exceptions.BackendError, OSError)
    try:
        handle = f"{kagglehub.whoami(verbose=False)['username']}/{_NAME}"
        kagglehub.dataset_upload(handle, str(folder), version_notes=notes)
    except refusals as error:
        raise click.ClickException(
            f"Kaggle did not take the bundle ({error}). It is in {folder}: upload it on kaggle.com/datasets, or see to "
            "the token (kaggle.com/settings) and the network, and start again."
        ) from error
    return f"kaggle.com/datasets/{handle}"
