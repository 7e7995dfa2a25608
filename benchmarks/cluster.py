"""Time ingestion, features and join of many battles on Dask workers and without Dask.

    python benchmarks/cluster.py --battles 200000
    python benchmarks/cluster.py --battles 20000 --memory-limit 1GB --workers 1 2 4

Simulates battles and computes the table that CatBoost reads, in env cluster on each number of workers and in env base
with the SequentialRunner, each process with one thread of computation. The encoder, which has a benchmark of its own
(benchmarks/embedding.py), is switched off.

Prints a row per run: seconds from the start of the cluster, battles per second, peak memory of a process, how often a
worker was restarted for lack of memory, and efficiency (speed-up over one worker, divided by the number of workers).
Then prints a row per node of the run on one worker.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

PROJECT = Path(__file__).parents[1]
# Battles that vectorizers are fitted on; more do not improve them.
SAMPLE = 20_000
ONE_THREAD = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def run_kedro(*arguments: str) -> str:
    """Run a kedro command in the project and return its output."""
    environment = {**os.environ, **ONE_THREAD, "KEDRO_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-m", "kedro", "run", *arguments]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout + done.stderr


def read_manifest(data_root: Path) -> dict[str, Any]:
    """Return the manifest of the newest run."""
    return json.loads(max((data_root / "08_reporting/runs").glob("*.json")).read_text())


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--battles", type=int, default=200_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--memory-limit", default="2GB", help="of each worker")
    arguments = parser.parse_args()
    rows, nodes = [], pd.DataFrame()
    with tempfile.TemporaryDirectory() as folder:
        raw_dir = Path(folder) / "raw"
        sizes = f"simulation.battles={arguments.battles},simulation.test_battles=50"
        run_kedro("--pipelines=simulation", f"--params=raw_dir={raw_dir},{sizes}")
        print(
            f"{arguments.battles} battles, train.csv {(raw_dir / 'train.csv').stat().st_size / 1e6:.0f} MB", flush=True
        )
        for workers in (*arguments.workers, None):
            data_root = Path(folder) / f"data-{workers}"
            fraction = min(1.0, SAMPLE / arguments.battles)
            options = f"embedding.encoder.enabled=false,ingestion.sample_fraction={fraction}"
            dask = [
                "--runner=arena_preference.runners.DaskRunner",
                f"--runner-params=n_workers={workers},memory_limit={arguments.memory_limit}",
            ]
            printed = run_kedro(
                f"--env={'cluster' if workers else 'base'}",
                *(dask if workers else []),
                "--to-outputs=train_model_input",
                f"--params=raw_dir={raw_dir},data_root={data_root},{options}",
            )
            manifest = read_manifest(data_root)
            started, ended = (datetime.fromisoformat(manifest[name]) for name in ("started", "ended"))
            seconds = (ended - started).total_seconds()
            rows.append(
                {
                    "workers": workers or "no Dask",
                    "seconds": round(seconds, 1),
                    "battles/s": round(arguments.battles / seconds),
                    "peak memory, GB": round(max(node["peak_memory"] for node in manifest["nodes"]) / 1e9, 2),
                    "restarts": printed.count("memory budget. Restarting"),
                }
            )
            print(rows[-1], flush=True)
            if workers == 1:
                nodes = pd.DataFrame(manifest["nodes"])
    table = pd.DataFrame(rows)
    counts = pd.to_numeric(table["workers"], errors="coerce")
    alone = table.loc[counts == 1, "seconds"].min()
    table["efficiency"] = (alone / table["seconds"] / counts).round(2)
    print(f"\n{table.to_string(index=False, na_rep='')}")
    if len(nodes):
        nodes["battles/s"] = (arguments.battles / nodes["seconds"]).round()
        nodes["GB"] = (nodes["peak_memory"] / 1e9).round(2)
        print(f"\n{nodes.sort_values('seconds')[['name', 'seconds', 'battles/s', 'GB']].to_string(index=False)}")


if __name__ == "__main__":
    main()
