"""``kedro kaggle``: makes the bundle for an offline notebook and uploads it."""

import json
import shutil
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.utils import env_option
from kedro.framework.project import pipelines, settings
from kedro.framework.startup import ProjectMetadata

from arena_preference.command_line import Command
from arena_preference.lineage.commands import open_storage, params_option
from arena_preference.lineage.pinning import LineageError
from arena_preference.pretrained import list_transformers
from arena_preference.run_copy import add_run, copy_models, write_conf

from .bundle import ENVIRONMENT, download_wheels

_NOTEBOOK = "notebooks/kaggle_submission.ipynb"
_NAME = "arena-preference"

_STEPS = """\
{folder} is the bundle for Kaggle, {size:.0f} MB, with run {run}. On Kaggle:
  1. {upload}
  2. The competition > Code > New Notebook > File > Import Notebook: {folder}/{notebook}
  3. Add Input: the competition's data and your dataset {name}. Internet: off. Accelerator: GPU T4 x2.
  4. Save Version > Save & Run All, and after the run: Submit to Competition.
"""


@click.group(name="kaggle")
def kaggle() -> None:
    """Predict in an offline notebook on Kaggle."""


@kaggle.command(cls=Command)
@click.option("--run", help="The run to predict with: id, prefix of it, or name. By default the newest.")
@click.option("--fallback", help="A run without transformers, used if these would take too long.")
@click.option("--python", default="3.12", show_default=True, help="Version of Kaggle's Python.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("dist/kaggle"), show_default=True, help="Folder to make."
)
@click.option("--upload/--no-upload", default=True, help="Upload it to Kaggle, if this machine has a token.")
@env_option
@params_option
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
    """Make a folder with everything that the offline notebook needs, to be attached as a dataset."""
    if output.exists() and not (output / "bundle.json").is_file():
        raise click.ClickException(f"{output} exists and is not a bundle. Choose another folder with --output.")
    # An interrupted command does not replace a complete bundle.
    temporary = output.with_name(f"{output.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        runs = {"main": _add_run(metadata, env, params, run, temporary / "main")}
        if fallback:
            runs["fallback"] = _add_run(metadata, env, params, fallback, temporary / "fallback")
        requirements = download_wheels(metadata.project_path, python, temporary / "wheels")
    except (LineageError, ValueError, OSError, RuntimeError) as error:
        raise click.ClickException(str(error)) from error
    (temporary / "requirements.txt").write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
    shutil.copy(metadata.project_path / _NOTEBOOK, temporary)
    (temporary / "bundle.json").write_text(json.dumps({"python": python, "runs": runs}, indent=2), encoding="utf-8")
    shutil.rmtree(output, ignore_errors=True)
    temporary.rename(output)
    address = upload_bundle(output, f"Run {runs['main']}") if upload else None
    steps = _STEPS.format(
        folder=output,
        size=sum(path.stat().st_size for path in output.rglob("*") if path.is_file()) / 1e6,
        run=runs["main"],
        upload=f"Nothing: the bundle is uploaded, as your private dataset {address}."
        if address
        else f"kaggle.com/datasets > New Dataset: upload that folder as {_NAME}, private.",
        notebook=Path(_NOTEBOOK).name,
        name=_NAME,
    )
    click.echo(steps, nl=False)


def _add_run(metadata: ProjectMetadata, env: str | None, params: dict[str, Any], run: str | None, folder: Path) -> str:
    """Add a run to the bundle and return its id."""
    source = open_storage(metadata, env, params)
    target = open_storage(metadata, env, {**params, "data_root": str((folder / "data").absolute())})
    manifest = add_run(source, target, pipelines["submission"].inputs(), run)
    if folder.name == "fallback" and (transformers := list_transformers(manifest.parameters)):
        raise ValueError(
            f"Run {manifest.run_id} uses transformers ({', '.join(transformers)}), so it would be no faster than the "
            "main run. Train one without, with --params=embedding.encoder.enabled=false."
        )
    conf_source = metadata.project_path / settings.CONF_SOURCE
    write_conf(conf_source, copy_models(manifest.parameters, folder), folder / "conf", ENVIRONMENT)
    return manifest.run_id


def upload_bundle(folder: Path, notes: str) -> str | None:
    """Upload a bundle as a private dataset, or as a new version of it, and return its address.

    Returns None without Kaggle's client or a token.

    Raises:
        ClickException: If the upload fails.
    """
    try:
        import kagglehub
        import kagglehub.config
        import kagglehub.exceptions
    except ModuleNotFoundError:
        return None
    if kagglehub.config.get_kaggle_credentials() is None:
        return None
    failures = (kagglehub.exceptions.UnauthenticatedError, kagglehub.exceptions.BackendError, OSError)
    try:
        handle = f"{kagglehub.whoami(verbose=False)['username']}/{_NAME}"
        kagglehub.dataset_upload(handle, str(folder), version_notes=notes)
    except failures as error:
        raise click.ClickException(
            f"The upload to Kaggle failed ({error}). Upload {folder} on kaggle.com/datasets yourself, or check the "
            "token (kaggle.com/settings) and the network, and start again."
        ) from error
    return f"kaggle.com/datasets/{handle}"
