"""The project's commands: ``kedro run``, ``kedro runs`` for past runs, ``kedro kaggle`` for predictions on Kaggle."""

import click
from kedro.framework.cli.project import run
from kedro.framework.cli.utils import CONTEXT_SETTINGS

from arena_preference.kaggle.commands import kaggle
from arena_preference.lineage.commands import runs


@click.group(context_settings=CONTEXT_SETTINGS, name="arena_preference")
def cli() -> None:
    """Commands of this project."""


for command in (run, runs, kaggle):
    cli.add_command(command)
