"""The project's commands: ``kedro run``, ``runs`` for past runs, ``judge`` for the trained model, ``kaggle``."""

from collections import Counter
from copy import copy
from difflib import get_close_matches
from typing import Any, Final

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import CONTEXT_SETTINGS, split_string

from arena_preference.command_line import PARAMS_HELP, Command, read_params
from arena_preference.judge.commands import judge
from arena_preference.kaggle.commands import kaggle
from arena_preference.lineage.commands import runs
from arena_preference.pipeline_registry import list_pipelines


@click.group(context_settings=CONTEXT_SETTINGS, name="arena_preference")
def cli() -> None:
    """Commands of this project."""


def _read_pipeline(ctx: click.Context, option: click.Parameter, name: str | None) -> str | None:
    """Return the name of a pipeline. Kedro would report an unknown one as a package that cannot be imported."""
    known = list_pipelines()
    if name and name not in known:
        matches = get_close_matches(name, known, n=1)
        hint = f" Did you mean '{matches[0]}'?" if matches else ""
        raise click.BadParameter(f"No pipeline is named '{name}'.{hint} There are {', '.join(known)}.", ctx, option)
    return name


def _read_pipelines(ctx: click.Context, option: click.Parameter, names: str) -> list[str | None]:
    return [_read_pipeline(ctx, option, name) for name in split_string(ctx, option, names)]


def _read_versions(ctx: click.Context, option: Any, versions: str) -> Any:
    """Return Kedro's mapping of datasets to versions, which has only the last one of a dataset."""
    counts = Counter(item.partition(":")[0] for item in split_string(ctx, option, versions))
    if repeated := [name for name, times in counts.items() if times > 1]:
        raise click.BadParameter(f"{', '.join(repeated)} is given several versions. Give one.", ctx, option)
    return _KEDRO_OPTIONS[option.name].callback(ctx, option, versions)


_KEDRO_OPTIONS: Final[dict[str | None, Any]] = {option.name: option for option in kedro_run.params}
#: What this project changes in the options of Kedro's command.
_CHANGES: Final[dict[str, dict[str, Any]]] = {
    "params": {"callback": read_params, "help": PARAMS_HELP},
    "runner_params": {"callback": read_params},
    "pipeline": {"callback": _read_pipeline},
    "pipelines": {"callback": _read_pipelines},
    "load_versions": {"callback": _read_versions},
    "tags": {"help": "Run only the nodes with any of these tags, separated by commas."},
}


def _make_run() -> Command:
    options = []
    for name, option in _KEDRO_OPTIONS.items():
        options.append(copy(option))
        vars(options[-1]).update(_CHANGES.get(str(name), {}))
    return Command(name="run", params=options, callback=kedro_run.callback, help=kedro_run.help)


#: Kedro's own command with these changes; ``python -m arena_preference`` is the same.
run = _make_run()

for command in (run, runs, judge, kaggle):
    cli.add_command(command)
