"""The project's commands: ``kedro run``, and ``kedro runs`` for what was run."""

import click
from kedro.framework.cli.project import run
from kedro.framework.cli.utils import CONTEXT_SETTINGS

from arena_preference.lineage.commands import runs


@click.group(context_settings=CONTEXT_SETTINGS, name="arena_preference")
def cli() -> None:
    """Commands of this project."""


cli.add_command(run)
cli.add_command(runs)
