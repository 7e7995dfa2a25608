"""Time a whole ``kedro run`` and, on simulated battles, compare its submission with the true probabilities.

    python benchmarks/whole_run.py                          the demo battles
    python benchmarks/whole_run.py --battles 10000          as many simulated battles, and a quarter of that to predict
    python benchmarks/whole_run.py --battles 57477 --test-battles 25000 --only-simulate
    python benchmarks/whole_run.py --raw-dir DIR            any folder with train.csv and test.csv

Prints seconds and peak memory of the run, its out-of-fold metrics and, for simulated battles, the log loss of class
prior, length baseline, submission and true probabilities on the same test battles, all against the drawn labels;
"closed" is the fraction of the way from the length baseline to the true probabilities.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from arena_preference.battles import LABEL_COLUMNS, TEXT_COLUMNS, count_characters, length_features

LABELS = list(LABEL_COLUMNS)
PROJECT = Path(__file__).parents[1]


def run_kedro(title: str, *arguments: str) -> None:
    """Run a kedro command in the project and print its seconds and peak memory."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "kedro", "run", *arguments]
    process = subprocess.Popen(command, cwd=PROJECT, env={**os.environ, "KEDRO_DISABLE_TELEMETRY": "1"})
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    # Linux counts in KiB.
    memory = usage.ru_maxrss / 2**20
    print(f"\n{title}: {time.perf_counter() - start:.0f} s, peak memory {memory:.2f} GiB, {os.cpu_count()} cores")


def newest(data_root: Path, dataset: str) -> Path:
    """Path of the newest version of a dataset."""
    return max((data_root / dataset).iterdir()) / Path(dataset).name


def read_lengths(battles: pd.DataFrame) -> np.ndarray:
    """Features of the length baseline, shape (n, 2)."""
    cells = (battles[column] for column in TEXT_COLUMNS[1:])
    return length_features(np.column_stack([column.map(json.loads).map(count_characters) for column in cells]))


def compare_with_truth(raw_dir: Path, data_root: Path) -> pd.DataFrame:
    """Log loss of class prior, length baseline, submission and true probabilities on the labels of the test battles."""
    train, test = pd.read_csv(raw_dir / "train.csv"), pd.read_csv(raw_dir / "test.csv")
    truth = pd.read_csv(raw_dir / "test_truth.csv").set_index("id").loc[test["id"]]
    submission = pd.read_csv(newest(data_root, "07_model_output/submission.csv")).set_index("id").loc[test["id"]]
    labels = train[LABELS].to_numpy().argmax(axis=1)
    length_model = LogisticRegression(max_iter=1000).fit(read_lengths(train), labels)
    predictions = {
        "class prior": np.tile(np.bincount(labels, minlength=3) / len(labels), (len(test), 1)),
        "length baseline": length_model.predict_proba(read_lengths(test)),
        "submission": submission[LABELS].to_numpy(),
        "true probabilities": truth[LABELS].to_numpy(),
    }
    table = pd.DataFrame(
        {name: log_loss(truth["label"], values, labels=[0, 1, 2]) for name, values in predictions.items()},
        index=["test log loss"],
    ).T
    length, best = table.loc["length baseline", "test log loss"], table.loc["true probabilities", "test log loss"]
    table["closed"] = (length - table["test log loss"]) / (length - best)
    return table


def main() -> None:
    """Read the command line, run, print."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--battles", type=int, help="number of battles to simulate first")
    cli.add_argument("--test-battles", type=int, help="number of test battles to simulate; by default a quarter")
    cli.add_argument("--only-simulate", action="store_true", help="stop after the simulation")
    cli.add_argument("--raw-dir", type=Path, default=PROJECT / "data" / "01_raw" / "demo")
    cli.add_argument("--params", default="", help="further parameters, as in kedro run --params")
    arguments = cli.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        raw_dir, data_root = arguments.raw_dir.resolve(), Path(folder) / "data"
        if arguments.battles:
            raw_dir = Path(folder) / "raw"
            train, test = arguments.battles, arguments.test_battles or arguments.battles // 4
            sizes = f"simulation.battles={train},simulation.test_battles={test}"
            title = f"simulation of {train} + {test} battles"
            run_kedro(title, "--pipelines=simulation", f"--params=raw_dir={raw_dir},{sizes}")
        if arguments.only_simulate:
            return
        extra = f",{arguments.params}" if arguments.params else ""
        run_kedro("kedro run", f"--params=raw_dir={raw_dir},data_root={data_root}{extra}")
        metrics = json.loads(newest(data_root, "08_reporting/metrics.json").read_text())
        print(
            pd.DataFrame({k: v for k, v in metrics.items() if isinstance(v, dict) and "value" in v})
            .T.round(4)
            .to_string()
        )
        if (raw_dir / "test_truth.csv").is_file():
            print(compare_with_truth(raw_dir, data_root).round(4).to_string())


if __name__ == "__main__":
    main()
