"""Look the installed packages up among known vulnerabilities; part of `make lint`.

A script, because pip-audit ends with 1 both when it finds something and when it cannot ask, and with 0 where a mirror
of the index answers that it knows none of the packages. Only the first may stop anybody's work.
"""

import json
import subprocess
import sys


def judge(report: str, complaint: str) -> tuple[str, int]:
    """Read what pip-audit wrote.

    Args:
        report: Its standard output, JSON if it came to an end.
        complaint: Its standard error.

    Returns:
        What to print, and 1 if a vulnerability was found.
    """
    try:
        packages = json.loads(report)["dependencies"]
    except (ValueError, KeyError):
        reason = complaint.strip().rpartition("\n")[2][:200]
        return f"audit: nothing was checked, because no vulnerability service answered ({reason})", 0
    audited = [package for package in packages if "vulns" in package]
    found = [
        f"{package['name']} {package['version']}: {vulnerability['id']}, fixed in "
        f"{', '.join(vulnerability['fix_versions']) or 'no release yet'}"
        for package in audited
        for vulnerability in package["vulns"]
    ]
    if not audited:
        return f"audit: nothing was checked, because the index knows none of the {len(packages)} packages", 0
    summary = f"audit: {len(audited)} of {len(packages)} packages checked, {len(found)} known vulnerabilities"
    return "\n".join([*found, summary]), int(bool(found))


if __name__ == "__main__":
    command = [sys.executable, "-m", "pip_audit", "--format=json", "--progress-spinner=off", "--skip-editable"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    message, status = judge(done.stdout, done.stderr)
    print(message)
    sys.exit(status)
