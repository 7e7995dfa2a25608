import click
from kedro.framework.cli.project import run

from arena_preference.lineage.commands import runs


@click.group()
def cli():
    pass


cli.add_command(run)
cli.add_command(runs)
