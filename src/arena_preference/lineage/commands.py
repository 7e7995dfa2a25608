"""``kedro runs``: what was run, how runs differ, whether their files are whole, and away with the old ones."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import wraps
from typing import Any, Final

import click
from kedro.framework.cli.utils import _split_params, env_option
from kedro.framework.project import settings
from kedro.framework.startup import ProjectMetadata
from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from .manifest import Manifest, ManifestFolder, open_manifests
from .pruning import choose_runs_to_keep, list_versions_of
from .storage import CatalogStorage
from .verification import find_changes, find_unexplained

#: The figure that the table of runs shows, of those in the manifest's ``metrics``.
HEADLINE: Final = "log_loss"

# Where nobody's window limits it, a table is as wide as what stands in it.
_PIPE_WIDTH = 1000


@click.group(name="runs")
def runs() -> None:
    """Show, compare, verify and remove the runs of this project."""


def _command(function: Callable[..., None]) -> click.Command:
    """Make a command of the group that is given the folder of manifests and the storage that they speak of."""

    @wraps(function)
    def open_and_call(metadata: ProjectMetadata, env: str | None, params: dict[str, Any], **options: Any) -> None:
        with settings.SESSION_CLASS.create(
            metadata.project_path, env=env, runtime_params=params, save_on_close=False
        ) as session:
            catalog = session.load_context().catalog
        try:
            function(open_manifests(catalog), CatalogStorage(catalog.config_resolver, metadata.project_path), **options)
        except ValueError as error:
            raise click.ClickException(str(error)) from error

    open_and_call = click.option(
        "--params",
        type=click.UNPROCESSED,
        default="",
        callback=_split_params,
        help="As of `kedro run`; data_root says where the runs are.",
    )(env_option(click.pass_obj(open_and_call)))
    return runs.command(name=function.__name__.strip("_"))(open_and_call)


@_command
def list_(folder: ManifestFolder, storage: CatalogStorage) -> None:
    """List all runs, the newest first."""
    table = _make_table("run", "name", "started", "status", "pipelines", HEADLINE.replace("_", " "), "duration")
    for run_id, run in reversed(folder.read_all().items()):
        started = f"{run.started.astimezone():%Y-%m-%d %H:%M}"
        headline = f"{run.metrics[HEADLINE]:.4f}" if HEADLINE in run.metrics else ""
        pipelines = ", ".join(run.pipelines)
        table.add_row(
            run_id, run.name, started, run.describe_status(), pipelines, headline, _format_seconds(run.seconds)
        )
    _print(table)


@_command
@click.argument("run")
def show(folder: ManifestFolder, storage: CatalogStorage, run: str) -> None:
    """Show what RUN (its id, the beginning of it, or its name) was, read and wrote."""
    manifest = folder.find(run)
    about = _make_table("run", manifest.run_id)
    about.add_row("name", manifest.name)
    about.add_row("command", manifest.command)
    about.add_row("started", f"{manifest.started.astimezone():%Y-%m-%d %H:%M:%S}")
    about.add_row("duration", _format_seconds(manifest.seconds))
    about.add_row("error", manifest.error)
    for name, value in _flatten(_describe_setting(manifest)):
        about.add_row(name, _format(value))
    nodes = _make_table("node", "seconds", "peak memory")
    for node in manifest.nodes:
        nodes.add_row(node.name, _format(node.seconds), _format_bytes(node.peak_memory))
    datasets = _make_table("dataset", "", "version", "size", "SHA-256", "path")
    for verb, stored in (("read", manifest.read), ("written", manifest.written)):
        for name, file in stored.items():
            datasets.add_row(name, verb, file.version, _format_bytes(file.size), file.sha256[:12], file.path)
    _print(about, nodes, datasets)


@_command
@click.argument("run_a")
@click.argument("run_b")
def compare(folder: ManifestFolder, storage: CatalogStorage, run_a: str, run_b: str) -> None:
    """Show side by side in what RUN_A and RUN_B differ: how they were run, metrics, parameters and packages."""
    manifests = [folder.find(run_a), folder.find(run_b)]
    a, b = (dict(_flatten(_describe_setting(manifest))) for manifest in manifests)
    table = _make_table("", *(manifest.run_id for manifest in manifests))
    for name in {**a, **b}:
        row = _format(a.get(name)), _format(b.get(name))
        # Nothing and an empty mapping look alike.
        if a.get(name) != b.get(name) and any(row):
            table.add_row(name, *row)
    if table.row_count:
        _print(table)
    else:
        click.echo(f"{manifests[0].run_id} and {manifests[1].run_id} differ in nothing but what they cost.")


@_command
@click.argument("run", required=False)
def verify(folder: ManifestFolder, storage: CatalogStorage, run: str | None) -> None:
    """Compare with their SHA-256 the versions that RUN, or every run, read and wrote.

    Without RUN, look for versions that no manifest explains, too. What is written to over and over, such as a store
    that grows, has no version and is not compared.
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
@click.option("--keep", type=click.IntRange(min=0), required=True, help="How many complete runs to keep.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
def prune(folder: ManifestFolder, storage: CatalogStorage, keep: int, dry_run: bool) -> None:
    """Remove all but the newest runs, with the versions that they wrote.

    Runs with a name, runs under way, and whatever a run that stays has read or builds on stay too.
    """
    manifests = folder.read_all()
    kept = choose_runs_to_keep(manifests, keep)
    total = 0
    for run_id, manifest in manifests.items():
        if run_id in kept:
            continue
        for name, version in list_versions_of(manifest, storage):
            size = version.count_bytes()
            total += size
            click.echo(f"{'would remove' if dry_run else 'removed'} {name}, version {run_id}: {_format_bytes(size)}")
            if not dry_run:
                version.remove()
        # The manifest goes last: a removal that is cut off is taken up by the next one.
        if not dry_run:
            folder.remove(run_id)
    click.echo(
        f"Runs {'to remove' if dry_run else 'removed'}: {len(manifests) - len(kept)}. Runs kept: {len(kept)}. "
        f"Bytes {'to be ' if dry_run else ''}freed: {total} ({_format_bytes(total)})."
    )


@_command
@click.argument("run")
@click.argument("name", required=False)
@click.option("--remove", is_flag=True, help="Take the name away again.")
def tag(folder: ManifestFolder, storage: CatalogStorage, run: str, name: str | None, remove: bool) -> None:
    """Give RUN a NAME, by which it can be called and for which it is never pruned."""
    if bool(name) == remove:
        raise click.UsageError("Give either a NAME or --remove.")
    manifest = folder.find(run)
    if manifest.is_under_way():
        raise ValueError(f"Run {manifest.run_id} is still under way. Name it when it has ended.")
    others = [run_id for run_id, other in folder.read_all().items() if name and name in (other.name, run_id)]
    if others and others != [manifest.run_id]:
        raise ValueError(f"Run {others[0]} is called {name} already. Take its name away with --remove first.")
    folder.write(manifest.model_copy(update={"name": name}))


def _describe_setting(manifest: Manifest) -> dict[str, Any]:
    """Give what makes a run what it is, and what came of it."""
    return {
        "status": manifest.describe_status(),
        "environment": manifest.environment,
        "pipelines": manifest.pipelines,
        "runner": manifest.runner,
        "from run": manifest.from_run,
        "load versions": manifest.load_versions,
        "git commit": manifest.git_commit and f"{manifest.git_commit}{' and changes' if manifest.git_dirty else ''}",
        "metrics": manifest.metrics,
        "machine": manifest.machine,
        "parameters": manifest.parameters,
        "packages": manifest.packages,
    }


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _format(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(map(_format, value))
    return "" if value is None or value == {} else str(value)


def _format_seconds(seconds: float | None) -> str:
    return "" if seconds is None else str(timedelta(seconds=round(seconds)))


def _format_bytes(size: int | None) -> str:
    return "" if size is None else decimal(size)


def _make_table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print(*tables: Table) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(*tables)
