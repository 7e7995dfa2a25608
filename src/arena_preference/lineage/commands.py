"""``kedro runs``: lists, compares, verifies, names and prunes runs."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from functools import wraps
from typing import Any, Final

import click
from kedro.framework.cli.utils import env_option
from kedro.framework.project import settings
from kedro.framework.startup import ProjectMetadata
from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.table import Column, Table

from arena_preference.command_line import Command, read_params

from .manifest import Manifest, ManifestFolder, open_manifests
from .pruning import choose_runs_to_keep, list_versions_of
from .storage import CatalogStorage
from .verification import find_changes, find_unexplained

#: The metric in the list of runs.
HEADLINE: Final = "log_loss"

#: The option --params of `kedro run`, for commands that read past runs.
params_option = click.option(
    "--params",
    default="",
    callback=read_params,
    help="As of `kedro run`; data_root is where the runs are stored.",
)

# Fields of a manifest with tables of their own, and those that differ between any two runs.
_TABLES = {"nodes", "read", "written"}
_IDENTITY = {"run_id", "name", "started", "ended", "command", "process"}


def open_storage(metadata: ProjectMetadata, env: str | None, params: dict[str, Any]) -> CatalogStorage:
    """Return the storage of the project's catalog in an environment and with runtime parameters."""
    with settings.SESSION_CLASS.create(
        metadata.project_path, env=env, runtime_params=params, save_on_close=False
    ) as session:
        return CatalogStorage(session.load_context().catalog.config_resolver, metadata.project_path)


@click.group(name="runs")
def runs() -> None:
    """List, compare, verify, name and prune the runs of this project."""


def _command(function: Callable[..., None]) -> click.Command:
    """Add a command to the group; it takes the folder of manifests and the storage of their datasets first."""

    @wraps(function)
    def call(metadata: ProjectMetadata, env: str | None, params: dict[str, Any], **options: Any) -> None:
        try:
            storage = open_storage(metadata, env, params)
            function(open_manifests(storage), storage, **options)
        except ValueError as error:
            raise click.ClickException(str(error)) from error

    return runs.command(name=function.__name__.strip("_"), cls=Command)(params_option(env_option(click.pass_obj(call))))


@_command
def list_(folder: ManifestFolder, storage: CatalogStorage) -> None:
    """List all runs, the newest first."""
    rows = []
    for run in reversed(folder.read_all().values()):
        started = f"{run.started.astimezone():%Y-%m-%d %H:%M}"
        headline = f"{run.metrics[HEADLINE]:.4f}" if HEADLINE in run.metrics else ""
        duration = "" if run.seconds is None else timedelta(seconds=round(run.seconds))
        rows.append((run.run_id, run.name, started, run.final_status, run.pipelines, headline, duration))
    _print_table(["run", "name", "started", "status", "pipelines", HEADLINE.replace("_", " "), "duration"], rows)


@_command
@click.argument("run")
def show(folder: ManifestFolder, storage: CatalogStorage, run: str) -> None:
    """Show settings, nodes, inputs and outputs of RUN (its id, a prefix of it, or its name)."""
    manifest = folder.find(run)
    _print_table(["run", manifest.run_id], _describe(manifest, _TABLES | {"run_id"}).items())
    nodes = [(node.name, node.seconds, node.peak_memory and decimal(node.peak_memory)) for node in manifest.nodes]
    _print_table(["node", "seconds", "peak memory"], nodes)
    datasets = [
        (name, verb, file.version, decimal(file.size), file.sha256[:12], file.path)
        for verb, files in {"read": manifest.read, "written": manifest.written}.items()
        for name, file in files.items()
    ]
    _print_table(["dataset", "", "version", "size", "SHA-256", "path"], datasets)


@_command
@click.argument("run_a")
@click.argument("run_b")
def compare(folder: ManifestFolder, storage: CatalogStorage, run_a: str, run_b: str) -> None:
    """Show how RUN_A and RUN_B differ: settings, metrics, parameters, packages and machine."""
    first, second = (folder.find(run) for run in (run_a, run_b))
    a, b = (_describe(manifest, _TABLES | _IDENTITY) for manifest in (first, second))
    rows = [(name, a.get(name), b.get(name)) for name in {**a, **b} if a.get(name) != b.get(name)]
    if rows:
        _print_table(["", first.run_id, second.run_id], rows)
    else:
        click.echo(f"{first.run_id} and {second.run_id} do not differ.")


@_command
@click.argument("run", required=False)
def verify(folder: ManifestFolder, storage: CatalogStorage, run: str | None) -> None:
    """Check the SHA-256 of the versions that RUN, or every run, read and wrote.

    Without RUN, also look for versions that no run wrote. Datasets without versions, such as a store that grows, are
    not checked.
    """
    manifests = folder.read_all()
    chosen = {found.run_id: found for found in [folder.find(run)]} if run else manifests
    problems = [*find_changes(chosen, storage), *([] if run else find_unexplained(manifests, storage))]
    for problem in problems:
        click.echo(problem)
    versions = sum(len(manifest.written_versions) for manifest in chosen.values())
    click.echo(f"Runs: {len(chosen)}. Versions that they wrote: {versions}. Problems: {len(problems)}.")
    if problems:
        raise click.exceptions.Exit(1)


@_command
@click.option("--keep", type=click.IntRange(min=0), required=True, help="Number of completed runs to keep.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
def prune(folder: ManifestFolder, storage: CatalogStorage, keep: int, dry_run: bool) -> None:
    """Remove all but the newest runs, with the versions that they wrote.

    Named runs, running runs, and the runs that a kept run has read or builds on are also kept.
    """
    manifests = folder.read_all()
    kept = choose_runs_to_keep(manifests, keep)
    would, freed = "would be " if dry_run else "", 0
    for run_id in [run_id for run_id in manifests if run_id not in kept]:
        for name, version in list_versions_of(manifests[run_id], storage):
            size = version.fs.du(version.path)
            freed += size
            click.echo(f"{would}removed: {name}, version {run_id}, {decimal(size)}")
            if not dry_run:
                version.remove()
        # The manifest is removed last, so that an interrupted removal can be repeated.
        if not dry_run:
            folder.remove(run_id)
    click.echo(
        f"Runs {would}removed: {len(manifests) - len(kept)}. Runs kept: {len(kept)}. Bytes {would}freed: {freed} "
        f"({decimal(freed)})."
    )


@_command
@click.argument("run")
@click.argument("name", required=False)
@click.option("--remove", is_flag=True, help="Remove the run's name.")
def tag(folder: ManifestFolder, storage: CatalogStorage, run: str, name: str | None, remove: bool) -> None:
    """Name RUN. Commands accept NAME instead of its id, and named runs are never pruned."""
    if bool(name) == remove:
        raise click.UsageError("Pass either NAME or --remove.")
    manifest = folder.find(run)
    if manifest.is_running:
        raise ValueError(f"Run {manifest.run_id} is running. Name it when it has ended.")
    others = {run_id for run_id, other in folder.read_all().items() if name and name in (other.name, run_id)}
    if others - {manifest.run_id}:
        raise ValueError(f"{name} is already the name of run {others.pop()}. Remove it there with --remove first.")
    folder.write(manifest.model_copy(update={"name": name}))


def _describe(manifest: Manifest, exclude: set[str]) -> dict[str, str]:
    """Return the fields of a manifest that are not empty as texts; nested ones have dotted names."""
    return dict(_flatten({**manifest.model_dump(mode="json", exclude=exclude), "status": manifest.final_status}))


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        elif text := _format(value):
            yield f"{prefix}{name}", text


def _format(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_format, value))
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _print_table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    table = Table(*(Column(name, overflow="fold") for name in columns), box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*map(_format, row))
    # In a pipe, no line is folded.
    Console(highlight=False, width=None if sys.stdout.isatty() else 1000).print(table)
