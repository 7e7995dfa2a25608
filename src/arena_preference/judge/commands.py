"""``kedro judge`` in a project, ``arena-preference judge`` anywhere: compares, scores, ranks, serves and exports.

What takes time to import is imported by the command that needs it, so that the help appears at once.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click
from kedro.framework.cli.utils import CONTEXT_SETTINGS
from kedro.framework.project import settings
from kedro.framework.startup import ProjectMetadata
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table

from arena_preference.command_line import Command

if TYPE_CHECKING:
    from .judge import Judge
    from .results import Preference

#: Exit code if all rows were written, and some did not fit their format.
SOME_ROWS_DO_NOT_FIT: Final = 3


@click.group(name="judge", context_settings=CONTEXT_SETTINGS)
@click.pass_context
def judge(context: click.Context) -> None:
    """Ask the trained model which response a person prefers."""
    context.with_resource(_log_to_stderr())


def _command(function: Callable[..., None]) -> click.Command:
    """Add a command to the group; it takes the source of the model and the name of the run first."""

    @click.option(
        "--model",
        "source",
        metavar="SOURCE",
        help="Data folder, exported folder or .zip, or OWNER/NAME on the Hub. By default the project's data folder; "
        "outside a project, the folder data.",
    )
    @click.option("--run", help="The run: id, prefix of it, or name. By default the newest complete training.")
    @click.pass_obj
    @wraps(function)
    def call(metadata: ProjectMetadata | None, source: str | None, run: str | None, **options: Any) -> None:
        from kedro.io.core import DatasetError

        from arena_preference.lineage.pinning import LineageError

        try:
            function(source or _find_data(metadata), run, **options)
        except (ValueError, OSError, LineageError, DatasetError, ModuleNotFoundError) as error:
            raise click.ClickException(str(error)) from error

    return judge.command(name=function.__name__, cls=Command)(call)


@_command
@click.option("--prompt", required=True, help="The prompt: a text, or @FILE; @@ starts a text with @.")
@click.option("--a", required=True, help="A response, in the same forms.")
@click.option("--b", required=True, help="The other response.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def compare(source: str, run: str | None, prompt: str, a: str, b: str, as_json: bool) -> None:
    """Show which of two responses a person prefers, and why."""
    texts = [_read_text(name, value) for name, value in (("--prompt", prompt), ("--a", a), ("--b", b))]
    preference = _load(source, run).compare(*texts)
    if as_json:
        why = [
            {"text": each.text, "side": each.side, "contribution": each.contribution, "feature": each.feature}
            for each in preference.why
        ]
        click.echo(json.dumps({**preference.to_dict(), "winner": preference.winner, "why": why}, ensure_ascii=False))
    else:
        _print_preference(preference)


@_command
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help=".csv, .jsonl or .parquet")
@click.option(
    "--context",
    type=click.Choice(["none", "batch"]),
    default="none",
    show_default=True,
    help="none: each battle alone. batch: with the others of its prompt; needs memory for the whole FILE.",
)
@click.option("--chunk-rows", type=click.IntRange(min=1), default=1000, show_default=True, help="Rows at a time.")
@click.option("--restart", is_flag=True, help="Remove what an interrupted command has stored.")
@click.option("--force", is_flag=True, help="Replace an existing output.")
def score(
    source: str, run: str | None, file: Path, out: Path, context: Any, chunk_rows: int, restart: bool, force: bool
) -> None:
    """Write the probabilities of the battles in FILE, of any format, to another file.

    It reads, scores and stores chunks of rows; an interrupted command resumes when it is repeated. Rows that do not fit
    their format are scored from their raw text and counted; then the exit code is 3.
    """
    from .scoring import SUFFIXES, score_file

    _check_input(file)
    if out.suffix not in SUFFIXES:
        raise ValueError(f"--out is '{out}', but has to end with {', '.join(SUFFIXES)}.")
    _check_output(out, force, file)
    model = _load(source, run)
    try:
        with _show_progress() as report:
            survey = score_file(
                model, file, out, context=context, chunk_rows=chunk_rows, restart=restart, report=report
            )
    except KeyboardInterrupt:
        _say("Interrupted. The same command resumes.")
        raise
    _say(f"{out}: {survey.rows:,} rows, run {model.manifest.run_id}")
    _say_reasons(survey.excluded, "that training would leave out")
    _say_reasons(survey.faults, "that do not fit their format, scored from their raw text")
    if survey.faults:
        raise click.exceptions.Exit(SOME_ROWS_DO_NOT_FIT)


@_command
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="JSON lines; by default standard output.")
@click.option(
    "--pairs",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON lines for DPO: prompt, chosen, rejected and margin, the best response against the worst.",
)
@click.option("--min-margin", type=click.FloatRange(0, 1), default=0.0, help="Write only pairs with a larger margin.")
@click.option(
    "--context",
    type=click.Choice(["none", "batch"]),
    default="batch",
    show_default=True,
    help="batch: what the responses to a prompt have in common counts. none: each pair alone.",
)
@click.option("--force", is_flag=True, help="Replace existing outputs.")
def rank(
    source: str,
    run: str | None,
    file: Path,
    out: Path | None,
    pairs: Path | None,
    min_margin: float,
    context: Any,
    force: bool,
) -> None:
    """Order the responses of each row of FILE, which has columns prompt and responses.

    Rows that cannot be ranked have an error in place of the order, and are counted; then the exit code is 3.
    """
    from .ranking import rank_file

    _check_input(file)
    if out:
        _check_output(out, force, file)
    if pairs:
        _check_output(pairs, force, file, out)
    model, reasons, n_rows, n_pairs = _load(source, run), dict[str, int](), 0, 0
    with ExitStack() as stack:
        ranked_file, pairs_file = (stack.enter_context(_write_lines(path)) if path else None for path in (out, pairs))
        for row in rank_file(model, file, context):
            n_rows += 1
            click.echo(json.dumps(row.to_dict(), ensure_ascii=False), file=ranked_file)
            if row.error is not None:
                reasons[row.error] = reasons.get(row.error, 0) + 1
            elif pairs_file and (pair := row.make_pair(min_margin)):
                n_pairs += 1
                click.echo(json.dumps(pair, ensure_ascii=False), file=pairs_file)
    _say(f"{n_rows:,} rows, run {model.manifest.run_id}")
    if pairs:
        _say(f"{pairs}: {n_pairs:,} pairs; {n_rows - n_pairs:,} rows have none with a margin above {min_margin:g}")
    _say_reasons(reasons, "that cannot be ranked")
    if reasons:
        raise click.exceptions.Exit(SOME_ROWS_DO_NOT_FIT)


@_command
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option("--allow-anonymous", is_flag=True, help="Let other machines in without a token.")
@click.option("--allowed-hosts", default="", help="Further names of this service, such as a proxy's: A,B")
def serve(source: str, run: str | None, host: str, port: int, allow_anonymous: bool, allowed_hosts: str) -> None:
    """Serve the model over HTTP, with a page to try it; needs the extra [serve].

    ARENA_PREFERENCE_TOKEN is the token that clients send.
    """
    from functools import partial

    from pydantic import ValidationError

    from arena_preference.serving import ServiceSettings
    from arena_preference.serving import serve as serve_judge

    from .judge import Judge

    names = tuple(name.strip() for name in allowed_hosts.split(",") if name.strip())
    try:
        options = ServiceSettings(host=host, port=port, allow_anonymous=allow_anonymous, allowed_hosts=names)
    except ValidationError as error:
        raise ValueError("; ".join(each["msg"] for each in error.errors())) from error
    # The service logs its address.
    logging.getLogger("arena_preference").setLevel(logging.INFO)
    serve_judge(partial(Judge.load, source, run=run), options)


@_command
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--models/--no-models", default=True, help="Copy the transformers, or have them found by their names.")
@click.option("--push", metavar="OWNER/NAME", help="Upload to this repository on the Hub, made private if it is new.")
@click.option("--public", is_flag=True, help="Push to a public repository.")
@click.pass_context
def export(
    context: click.Context, source: str, run: str | None, folder: Path, models: bool, push: str | None, public: bool
) -> None:
    """Write everything that a run's model needs to FOLDER, or to an archive if the name ends with .zip.

    It has a model card, the fitted models, the configuration and the transformers. An earlier export is replaced.
    """
    from .export import export_run

    if public and not push:
        raise click.UsageError("--public goes with --push.")
    manifest, address = export_run(
        source, folder, run=run, conf=_find_conf(context.obj), with_models=models, push_to=push, public=public
    )
    click.echo(f"{folder} has the model of run {manifest.run_id}.")
    if address:
        click.echo(f"It is uploaded: {address}")


def _load(source: str, run: str | None) -> "Judge":
    from .judge import Judge

    return Judge.load(source, run=run)


def _find_data(metadata: ProjectMetadata | None) -> str:
    """Return the data folder of the project, or the folder ``data`` if there is no project."""
    if metadata is None:
        return "data"
    with settings.SESSION_CLASS.create(metadata.project_path, save_on_close=False) as session:
        loader = session.load_context().config_loader
        return str(metadata.project_path / (loader.runtime_params.get("data_root") or loader["globals"]["data_root"]))


def _find_conf(metadata: ProjectMetadata | None) -> Path | None:
    return metadata and metadata.project_path / settings.CONF_SOURCE


def _read_text(option: str, value: str) -> str:
    """Return the text of an option: itself, or the content of the file whose name follows an @."""
    if not value.startswith("@"):
        return value
    if value.startswith("@@"):
        return value[1:]
    path = Path(value[1:])
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{option}: '{path}' is not UTF-8 ({error}). Save it as UTF-8.") from error
    except OSError as error:
        raise ValueError(
            f"{option}: '{path}' cannot be read ({error.strerror}). A text with @ starts with @@."
        ) from error


def _check_input(path: Path) -> None:
    from arena_preference.datasets.raw_tables_dataset import SUFFIXES

    endings = [suffix + compressed for suffix in SUFFIXES for compressed in ("", ".gz", ".zip")]
    if not path.name.endswith(tuple(endings)):
        raise ValueError(f"'{path}' has to end with one of {', '.join(endings)}. Rename it to what it is.")


def _check_output(path: Path, force: bool, *others: Path | None) -> None:
    if path.resolve() in [other.resolve() for other in others if other]:
        raise ValueError(f"'{path}' is named twice. Give every file a name of its own.")
    if path.exists() and not force:
        raise ValueError(f"'{path}' exists. Replace it with --force, or choose another name.")
    if not path.parent.is_dir():
        raise ValueError(f"There is no folder '{path.parent}' for '{path.name}'. Make it first.")


def _write_lines(path: Path) -> AbstractContextManager[IO[str]]:
    from fsspec.implementations.local import LocalFileSystem

    from arena_preference.datasets.atomic_write import atomic_write

    return atomic_write(LocalFileSystem(), str(path), "w", encoding="utf-8", newline="\n")


def _print_preference(preference: "Preference") -> None:
    console = Console(highlight=False, markup=False)
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("", "probability", ""):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for name, probability in preference.to_dict().items():
        table.add_row(name, f"{100 * probability:.1f} %", ProgressBar(total=1, completed=probability, width=40))
    console.print(table)
    console.print(f"  winner: {preference.winner}")
    if preference.why:
        reasons = Table("for", "log-odds", "why", box=box.SIMPLE_HEAD)
        for reason in preference.why:
            reasons.add_row(reason.side, f"{reason.contribution:.2f}", reason.text)
        console.print(reasons)


@contextmanager
def _show_progress() -> Iterator[Callable[[int, int], None]]:
    """Yield a function of done and all rows: a bar in a terminal, and elsewhere a line at every tenth."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        shown = -1

        def report(done: int, rows: int) -> None:
            nonlocal shown
            if (tenth := 10 * done // max(rows, 1)) > shown:
                shown = tenth
                _say(f"scored {done:,} of {rows:,} rows")

        yield report
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("reading", total=None)
        yield lambda done, rows: progress.update(task, description="scoring", completed=done, total=rows)


@contextmanager
def _log_to_stderr() -> Iterator[None]:
    """Log warnings to standard error: Kedro's handlers write to standard output, which is for results."""
    root, logger, handler = logging.getLogger(), logging.getLogger("arena_preference"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    handlers, level = root.handlers, logger.level
    root.handlers = [handler]
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.handlers = handlers
        logger.setLevel(level)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _say_reasons(reasons: Mapping[str, int], what: str) -> None:
    if reasons:
        _say(f"{sum(reasons.values()):,} rows {what}:")
    for reason, rows in reasons.items():
        _say(f"  {rows:,} x {reason}")
