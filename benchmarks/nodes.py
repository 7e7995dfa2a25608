"""Run the project once and print rows, seconds, rows per second and peak memory of each node.

    python benchmarks/nodes.py                                         the demo battles
    python benchmarks/nodes.py --battles 57477 --test-battles 25000    as many simulated battles
    python benchmarks/nodes.py --raw-dir DIR                           any folder with train.csv and test.csv
    python benchmarks/nodes.py --pipelines ingestion,features --params embedding.encoder.enabled=false

"run" is the seconds in the node's function, "load" and "save" those of its datasets, validation included; rows per
second divide by all three. "cpu" is the processor time of all threads, which tells a slow node from a busy machine.
Peak memory is the largest resident set of the whole process from a node's first load to its last save, including what
earlier nodes left behind. It is read from /proc, so this works on Linux only.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.framework.hooks import hook_impl
from kedro.framework.project import settings
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.pipeline.node import Node

from arena_preference.command_line import parse_params

PROJECT = Path(__file__).parents[1]
_PROCESS = Path("/proc/self")


class NodeMeter:
    """Kedro hooks that time every load, run and save, and read the peak memory of each node."""

    def __init__(self) -> None:
        self._nodes: dict[str, dict[str, float]] = {}
        self._start = self._cpu_start = 0.0

    def _begin(self, node: Node) -> None:
        if node.name not in self._nodes:
            self._nodes[node.name] = {"rows": 0, "load": 0.0, "run": 0.0, "save": 0.0, "cpu": 0.0, "peak GiB": 0.0}
            # Resets the peak.
            (_PROCESS / "clear_refs").write_text("5")
        self._start, self._cpu_start = time.perf_counter(), time.process_time()

    def _end(self, node: Node, phase: str, data: Any = None) -> None:
        measured = self._nodes[node.name]
        measured[phase] += time.perf_counter() - self._start
        measured["cpu"] += time.process_time() - self._cpu_start
        measured["peak GiB"] = peak_gib()
        self._start, self._cpu_start = time.perf_counter(), time.process_time()
        if isinstance(data, pd.DataFrame):
            measured["rows"] = max(measured["rows"], len(data))

    @hook_impl
    def before_dataset_loaded(self, node: Node) -> None:
        """Start the clock."""
        self._begin(node)

    @hook_impl
    def after_dataset_loaded(self, data: Any, node: Node) -> None:
        """Stop the clock."""
        self._end(node, "load", data)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Start the clock."""
        self._begin(node)

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Stop the clock."""
        self._end(node, "run")

    @hook_impl
    def before_dataset_saved(self, node: Node) -> None:
        """Stop the clock of a node that yields its outputs, and start it for saving."""
        self._end(node, "run")
        self._begin(node)

    @hook_impl
    def after_dataset_saved(self, data: Any, node: Node) -> None:
        """Stop the clock."""
        self._end(node, "save", data)

    def tabulate(self) -> pd.DataFrame:
        """One row per node, in the order of the run."""
        table = pd.DataFrame.from_dict(self._nodes, orient="index")
        table.insert(1, "rows/s", table["rows"] / table[["load", "run", "save"]].sum(axis=1))
        return table.round({"rows/s": 0, "load": 1, "run": 1, "save": 1, "cpu": 1, "peak GiB": 2}).astype(
            {"rows": int, "rows/s": int}
        )


def peak_gib() -> float:
    """Peak resident set of this process since the last reset, in GiB."""
    status = (_PROCESS / "status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 2**20


def main() -> None:
    """Read the command line, run, print."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--battles", type=int, help="number of battles to simulate first")
    cli.add_argument("--test-battles", type=int, help="number of test battles to simulate; by default a quarter")
    cli.add_argument("--raw-dir", type=Path, default=PROJECT / "data" / "01_raw" / "demo")
    cli.add_argument("--data-root", type=Path, help="keep the outputs there")
    cli.add_argument("--pipelines", default="__default__", help="comma-separated, as in kedro run --pipelines")
    cli.add_argument("--params", default="", help="further parameters, as in kedro run --params")
    arguments = cli.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        raw_dir = arguments.raw_dir.resolve()
        data_root = (arguments.data_root or Path(folder) / "data").resolve()
        if arguments.battles:
            raw_dir = Path(folder) / "raw"
            train, test = arguments.battles, arguments.test_battles or arguments.battles // 4
            sizes = f"simulation.battles={train},simulation.test_battles={test}"
            # A separate process, so that its memory is not measured.
            command = [sys.executable, "-m", "kedro", "run", "--pipelines=simulation"]
            subprocess.run([*command, f"--params=raw_dir={raw_dir},{sizes}"], cwd=PROJECT, check=True)
        bootstrap_project(PROJECT)
        meter = NodeMeter()
        settings.set("HOOKS", (*settings.HOOKS, meter))
        runtime_params = {**parse_params(arguments.params), "raw_dir": raw_dir, "data_root": data_root}
        start = time.perf_counter()
        session = KedroSession.create(PROJECT, runtime_params=runtime_params)
        with session:
            session.run(pipeline_names=arguments.pipelines.split(","))
        seconds, cpu = time.perf_counter() - start, time.process_time()
    table = meter.tabulate()
    print(table.to_string())
    peak = table["peak GiB"].max()
    print(f"\nkedro run: {seconds:.0f} s, cpu {cpu:.0f} s, peak memory {peak:.2f} GiB, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
