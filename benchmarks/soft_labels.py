"""Compare soft labels with votes: train on simulated battles with either, and score against the true probabilities.

    python benchmarks/soft_labels.py
    python benchmarks/soft_labels.py --battles 5000 --seeds 3 --params modelling.seeds_per_fold=6

Each seed simulates battles and trains twice on all of them, without the encoder: once with the votes that were drawn
from the true probabilities, once with these probabilities as soft labels. Prints the out-of-fold log loss that either
expects under the true probabilities, with 95 % intervals over prompt groups, and their paired difference. The folds of
the two are not the same, since they are stratified by the likeliest class.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from arena_preference.battles import ID, LABEL_COLUMNS
from arena_preference.metrics import compute_losses, estimate_means, select_probabilities

PROJECT = Path(__file__).parents[1]
N_RESAMPLES = 2000
# Parts of a run that this comparison does not need.
SMALL = "embedding.encoder.enabled=false,modelling.train_sizes=[],modelling.seeds_per_fold=2"


def run_kedro(*arguments: str) -> None:
    """Run a kedro command in the project."""
    command = [sys.executable, "-m", "kedro", "run", *arguments]
    subprocess.run(command, cwd=PROJECT, env={**os.environ, "KEDRO_DISABLE_TELEMETRY": "1"}, check=True)


def write_soft_labels(raw_dir: Path, soft_dir: Path) -> pd.DataFrame:
    """Write the training file with the true probabilities as its labels; return them by id."""
    train, truth = (pd.read_csv(raw_dir / f"{name}.csv", dtype={ID: str}) for name in ("train", "train_truth"))
    train[list(LABEL_COLUMNS)] = truth[list(LABEL_COLUMNS)]
    soft_dir.mkdir()
    train.to_csv(soft_dir / "train.csv", index=False)
    return truth.set_index(ID)


def train_and_score(raw_dir: Path, data_root: Path, truth: pd.DataFrame, params: str) -> pd.DataFrame:
    """Train on a folder; return prompt group and expected log loss of each battle, by id."""
    pipelines = "ingestion,features,embedding,finetuning,modelling"
    paths = f"raw_dir={raw_dir},data_root={data_root}"
    run_kedro(f"--pipelines={pipelines}", "--tags=train", f"--params={paths},{SMALL},{params}")
    folder = data_root / "07_model_output/oof_predictions.parquet"
    oof = pd.read_parquet(max(folder.iterdir()) / folder.name).set_index(ID)
    losses = compute_losses(select_probabilities(oof), select_probabilities(truth.loc[oof.index]))
    return pd.DataFrame({"prompt_group": oof["prompt_group"], "loss": losses})


def main() -> None:
    """Simulate, train and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--battles", type=int, default=2000, help="number of battles to simulate for each seed")
    parser.add_argument("--seeds", type=int, default=1, help="number of simulations, which have the seeds 0, 1, ...")
    parser.add_argument("--params", help="further parameters of all runs, as kedro run takes them")
    arguments = parser.parse_args()
    tables = []
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as folder:
            hard_dir, soft_dir = Path(folder) / "hard", Path(folder) / "soft"
            sizes = f"simulation.battles={arguments.battles},simulation.test_battles=50"
            run_kedro("--pipelines=simulation", f"--params=raw_dir={hard_dir},seed={seed},{sizes}")
            truth = write_soft_labels(hard_dir, soft_dir)
            params = ",".join([f"seed={seed}", *([arguments.params] if arguments.params else [])])
            hard, soft = (
                train_and_score(raw_dir, Path(folder) / f"data_{raw_dir.name}", truth, params)
                for raw_dir in (hard_dir, soft_dir)
            )
        table = hard.assign(loss_soft=soft["loss"])
        probabilities = select_probabilities(truth.loc[table.index])
        table["loss_true"] = compute_losses(probabilities, probabilities)
        tables.append(table.assign(prompt_group=f"{seed}/" + table["prompt_group"]))

    all_seeds = pd.concat(tables, ignore_index=True)
    columns = {
        "votes": all_seeds["loss"],
        "soft labels": all_seeds["loss_soft"],
        "soft labels - votes": all_seeds["loss_soft"] - all_seeds["loss"],
        "true probabilities": all_seeds["loss_true"],
    }
    estimates = estimate_means(np.column_stack(list(columns.values())), all_seeds["prompt_group"], N_RESAMPLES, seed=0)
    print(f"\n{len(all_seeds)} battles of {arguments.seeds} simulations, out of fold")
    print(f"{'learned from':<22}{'log loss':>9}  95 % interval")
    for name, (_, row) in zip(columns, estimates.iterrows(), strict=True):
        sign = "+" if "-" in name else ""
        print(f"{name:<22}{row['value']:>{sign}9.4f}  [{row['low']:{sign}.4f}, {row['high']:{sign}.4f}]")


if __name__ == "__main__":
    main()
