"""What a run runs on and in: code, packages, machine."""

import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil


def describe_git(project_path: Path) -> tuple[str | None, bool | None]:
    """Give the commit, and whether files differ from it; None and None where there is no git or no repository."""
    commit = _read_output(["git", "-C", str(project_path), "rev-parse", "HEAD"])
    if commit is None:
        return None, None
    changes = _read_output(["git", "-C", str(project_path), "status", "--porcelain"])
    return commit, bool(changes)


def list_packages(distribution: str) -> dict[str, str]:
    """Give the versions of Python, of a distribution and of all that it depends on, extras too, as far as installed.

    What an extra ``dev`` names is left out: it tests and checks, and no run uses it.
    """
    versions = {"python": platform.python_version()}
    try:
        requirements = [distribution, *(metadata.requires(distribution) or [])]
    except metadata.PackageNotFoundError:
        return versions
    for requirement in requirements:
        if re.search(r"""extra == ["']dev["']""", requirement):
            continue
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return dict(sorted(versions.items()))


def describe_machine() -> dict[str, Any]:
    """Give the system, the processor's cores, bytes of memory, and what NVIDIA's driver says of its GPUs."""
    gpus = _read_output(["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"])
    return {
        "system": platform.platform(),
        "cores": psutil.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "gpus": gpus.splitlines() if gpus else [],
    }


def _read_output(command: list[str]) -> str | None:
    """Run a program that need not be there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
