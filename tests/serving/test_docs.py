"""The commands of docs/service.md, with the judge of these tests behind the address."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from arena_preference.serving import ServiceSettings

PAGE = (Path(__file__).parents[2] / "docs" / "service.md").read_text(encoding="utf-8")


def outline(value: object) -> object:
    """What has to be the same for every model: names and sizes."""
    if isinstance(value, dict):
        return {name: outline(part) for name, part in value.items()}
    if isinstance(value, list):
        return [outline(part) for part in value]
    return value if isinstance(value, str) and " " in value else type(value)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_every_command_is_answered_as_shown(start_server, judge) -> None:
    address = start_server(judge).removeprefix("http://")
    blocks = re.findall(r"^\$ (.*)\n((?:[{\[].*\n)+)", PAGE, flags=re.MULTILINE)
    assert len(blocks) == 7
    for command, shown in blocks:
        command = command.replace("localhost:8000", address)
        printed = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
        lines = [[outline(json.loads(line)) for line in text.splitlines()] for text in (printed, shown)]
        assert lines[0] == lines[1], printed


def test_every_limit_has_its_default() -> None:
    settings = ServiceSettings(token=None)
    names = re.findall(r"`(max_\w+|queue_size|batch_pairs|timeout)`", PAGE)
    assert set(names) == {name for name in ServiceSettings.model_fields if re.match("max_|queue|batch|timeout", name)}
    for name in names:
        assert f"{int(getattr(settings, name)):,}" in PAGE
