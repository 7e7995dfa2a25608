"""Entry point of the installed package: ``python -m arena_preference --conf-source=...``."""

import sys
from pathlib import Path
from typing import Any

from kedro.framework.cli.utils import find_run_command
from kedro.framework.project import configure_project


def main(*args: Any, **kwargs: Any) -> Any:
    """Run pipelines with the options of ``kedro run``."""
    package_name = Path(__file__).parent.name
    configure_project(package_name)
    kwargs["standalone_mode"] = not hasattr(sys, "ps1")
    # The section of a file of --config is the name of the program.
    kwargs.setdefault("prog_name", "run")
    return find_run_command(package_name)(*args, **kwargs)


if __name__ == "__main__":
    main()
