"""Entry point of the installed package: ``arena-preference``, or ``python -m arena_preference``."""

import logging
import sys
from pathlib import Path
from typing import Any

import click


class _Commands(click.Group):
    """The commands ``run``, which need not be named, and ``judge``; each is imported when it is called."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take options without a command for those of ``run``."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return ["judge", "run"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name == "judge":
            # As it is imported, Kedro logs to standard output, where the results belong.
            logging.disable(logging.INFO)
            try:
                from arena_preference.judge.commands import judge
            finally:
                logging.disable(logging.NOTSET)
            return judge
        return _import_run() if cmd_name == "run" else None


def _import_run() -> Any:
    from kedro.framework.cli.utils import find_run_command
    from kedro.framework.project import configure_project

    package_name = Path(__file__).parent.name
    configure_project(package_name)
    return find_run_command(package_name)


def main(*args: Any, **kwargs: Any) -> Any:
    """Run pipelines with the options of ``kedro run``, or ask the trained model with the commands of ``judge``."""
    commands = _Commands(
        name="arena-preference",
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Run pipelines, or ask the trained model. Options without a command are those of `run`.",
    )
    kwargs["standalone_mode"] = not hasattr(sys, "ps1")
    kwargs.setdefault("prog_name", "arena-preference")
    return commands(*args, **kwargs)


if __name__ == "__main__":
    main()
