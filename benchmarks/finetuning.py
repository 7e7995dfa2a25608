"""Measure what fine-tuned cross encoders add to CatBoost, on the same folds.

    python benchmarks/finetuning.py --raw-dir DIR --data-root DIR
    python benchmarks/finetuning.py --raw-dir DIR --data-root DIR --params finetuning.training.learning_rate=0.0002

Makes two whole runs, without and with cross encoders, and prints log losses with 95 % intervals over prompt groups: of
the cross encoders alone, of CatBoost, of their blend, and of the paired difference; out of fold and, if the folder has
the file test_labels.csv, on the test battles. Trained models stay in the data root, so an interrupted benchmark can be
started again.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from arena_preference.battles import ID, LABEL_COLUMNS
from arena_preference.metrics import compute_losses, estimate_means, select_probabilities
from arena_preference.targets import SOFT_LABELS, read_targets

PROJECT = Path(__file__).parents[1]
N_RESAMPLES = 2000


def run_kedro(*params: str) -> None:
    """Make one whole run."""
    subprocess.run([sys.executable, "-m", "kedro", "run", f"--params={','.join(params)}"], cwd=PROJECT, check=True)


def read_newest(data_root: Path, dataset: str) -> pd.DataFrame:
    """Return the newest version of a table, sorted by id."""
    folder = data_root / f"{dataset}.parquet"
    return pd.read_parquet(max(folder.iterdir()) / folder.name).sort_values(ID, ignore_index=True)


def main() -> None:
    """Make both runs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw-dir", type=Path, required=True, help="a folder with train.csv and test.csv")
    parser.add_argument("--data-root", type=Path, required=True, help="for all outputs of both runs")
    parser.add_argument("--params", help="further parameters of both runs, as kedro run takes them")
    arguments = parser.parse_args()
    raw_dir, data_root = arguments.raw_dir.resolve(), arguments.data_root.resolve()
    shared = [f"raw_dir={raw_dir}", f"data_root={data_root}", *([arguments.params] if arguments.params else [])]

    predictions = {}
    for name, enabled in (("without", "false"), ("with", "true")):
        run_kedro(*shared, f"finetuning.enabled={enabled}")
        predictions[name] = {
            "out of fold": read_newest(data_root, "07_model_output/oof_predictions"),
            "test": read_newest(data_root, "07_model_output/test_predictions"),
        }

    oof = predictions["with"]["out of fold"]
    truths = {"out of fold": oof[[*SOFT_LABELS, "prompt_group"]]}
    labels_file = raw_dir / "test_labels.csv"
    if labels_file.exists():
        groups = read_newest(data_root, "02_intermediate/test_battles")[[ID, "prompt_group"]]
        votes = pd.read_csv(labels_file, dtype={ID: str}).rename(
            columns=dict(zip(LABEL_COLUMNS, SOFT_LABELS, strict=True))
        )
        truths["test"] = groups.merge(votes[[ID, *SOFT_LABELS]], on=ID, validate="one_to_one")

    print(f"\n{'':<12}{'predictions':<28}{'log loss':>9}  95 % interval")
    for split, truth in truths.items():
        targets = read_targets(truth)
        logits = read_newest(data_root, f"04_feature/{'test' if split == 'test' else 'train'}.cross_encoder_logits")
        without, blend = (
            compute_losses(select_probabilities(predictions[name][split]), targets) for name in ("without", "with")
        )
        columns = {
            "cross encoders alone": compute_losses(softmax(select_probabilities(logits), axis=1), targets),
            "CatBoost": without,
            "blend of both": blend,
            "difference": blend - without,
        }
        table = estimate_means(np.column_stack(list(columns.values())), truth["prompt_group"], N_RESAMPLES, seed=0)
        for name, (_, row) in zip(columns, table.iterrows(), strict=True):
            sign = "+" if name == "difference" else ""
            print(
                f"{split:<12}{name:<28}{row['value']:>{sign}9.4f}  "
                f"[{row['low']:{sign}.4f}, {row['high']:{sign}.4f}]"
            )  # fmt: skip


if __name__ == "__main__":
    main()
