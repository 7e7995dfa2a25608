"""Code, packages, machine and process of a run."""

import os
import platform
import re
import socket
import subprocess
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel


def describe_git(project_path: Path) -> tuple[str | None, bool | None]:
    """Return the commit and whether files differ from it; None and None without git or a repository."""
    git = ("git", "-C", str(project_path))
    commit = _read_output(*git, "rev-parse", "HEAD")
    return commit, None if commit is None else bool(_read_output(*git, "status", "--porcelain"))


def list_packages(distribution: str) -> dict[str, str]:
    """Return the versions of Python, a distribution and its installed dependencies, except those of its extra dev."""
    requirements = [distribution]
    with suppress(metadata.PackageNotFoundError):
        requirements += metadata.requires(distribution) or []
    versions = {"python": platform.python_version()}
    for requirement in requirements:
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        with suppress(metadata.PackageNotFoundError):
            if not re.search(r"""extra == ["']dev["']""", requirement):
                versions[name] = metadata.version(name)
    return dict(sorted(versions.items()))


def describe_machine() -> dict[str, Any]:
    """Return the system, number of cores, bytes of memory, and GPUs as NVIDIA's driver lists them."""
    gpus = _read_output("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    return {
        "system": platform.platform(),
        "cores": psutil.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "gpus": gpus.splitlines() if gpus else [],
    }


class RunProcess(BaseModel):
    """A process, identified by its id and its start (seconds since 1970), because ids are reused."""

    host: str
    pid: int
    started: float

    @classmethod
    def current(cls) -> "RunProcess":
        """Return the calling process."""
        return cls(host=socket.gethostname(), pid=os.getpid(), started=psutil.Process().create_time())

    def is_alive(self) -> bool:
        """Return whether the process is running; one on another machine counts as running."""
        if self.host != socket.gethostname():
            return True
        try:
            process = psutil.Process(self.pid)
            # Clock adjustments move the start by less than a second.
            return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - self.started) < 1
        except psutil.NoSuchProcess:
            return False


def _read_output(*command: str) -> str | None:
    """Return what a program prints, or None if it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
