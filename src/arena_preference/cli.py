"""The project's commands: ``kedro run``, ``kedro runs`` for what was run, ``kedro kaggle`` to predict on Kaggle."""

import click
from kedro.framework.cli.project import run
from kedro.framework.cli.utils import CONTEXT_SETTINGS

from arena_preference.kaggle.commands import kaggle
from arena_preference.lineage.commands import runs


@click.group(context_settings=CONTEXT_SETTINGS, name="arena_preference")
def cli() -> None:
    """Commands of this project."""


cli.add_command(run)
cli.add_command(runs)
cli.add_command(kaggle)
