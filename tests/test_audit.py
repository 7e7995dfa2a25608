"""What `make audit` makes of pip-audit's answers."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

judge = runpy.run_path(str(Path(__file__).parents[1] / ".ci" / "audit.py"))["judge"]

CLEAN = {"name": "acme", "version": "1.0", "vulns": []}
SKIPPED = {"name": "own", "skip_reason": "Dependency not found on PyPI"}
BROKEN = {"name": "acme", "version": "1.0", "vulns": [{"id": "CVE-1", "fix_versions": ["1.1"]}]}
UNFIXED = {"name": "acme", "version": "1.0", "vulns": [{"id": "CVE-2", "fix_versions": []}]}


@pytest.mark.parametrize(
    ("packages", "message", "status"),
    [
        ([CLEAN, SKIPPED], "audit: 1 of 2 packages checked, 0 known vulnerabilities", 0),
        ([BROKEN, CLEAN], "acme 1.0: CVE-1, fixed in 1.1\naudit: 2 of 2 packages checked, 1 known vulnerabilities", 1),
        ([UNFIXED], "acme 1.0: CVE-2, fixed in no release yet\naudit: 1 of 1", 1),
        # What an index says that passes on packages and nothing about them.
        ([SKIPPED, SKIPPED], "audit: nothing was checked, because the index knows none of the 2 packages", 0),
    ],
)
def test_a_vulnerability_alone_is_a_failure(packages: list[dict[str, Any]], message: str, status: int) -> None:
    told, ended = judge(json.dumps({"dependencies": packages, "fixes": []}), "Found 1 known vulnerability")
    assert told.startswith(message)
    assert ended == status


@pytest.mark.parametrize("report", ["", "<html>Not here</html>", "{}"])
def test_a_service_that_cannot_be_reached_is_a_note_of_one_line(report: str) -> None:
    complaint = "Traceback (most recent call last):\n  ...\nrequests.ConnectionError: Failed to resolve 'pypi.org'\n"
    message, status = judge(report, complaint)
    assert status == 0
    assert "no vulnerability service answered (requests.ConnectionError: Failed to resolve 'pypi.org')" in message
    assert "\n" not in message
