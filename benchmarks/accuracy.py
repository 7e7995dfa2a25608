"""Measure the log loss of a trained run's features with several seeds of the folds, and what each feature group adds.

    kedro run --tags=train --params=raw_dir=DIR,data_root=RUN
    python benchmarks/accuracy.py --data-root RUN
    python benchmarks/accuracy.py --data-root RUN --seeds 1 --ablation
    python benchmarks/accuracy.py --data-root RUN --sizes 300 1000

Prints the out-of-fold log loss, accuracy and expected calibration error of the main source's battles: the mean over the
seeds, with a 95 % interval over prompt groups; with --ablation also the paired difference without each group, with
--sizes also the log loss on random subsets of so many battles, each against the length baseline of the same battles.
What is fitted without labels (LSA, relevance, projection) is that of the run, on all battles.
"""

import argparse
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from arena_preference.battles import ID, FloatArray
from arena_preference.command_line import parse_params
from arena_preference.metrics import (
    compute_losses,
    estimate_calibration_error,
    estimate_intervals,
    select_probabilities,
)
from arena_preference.pipelines.ingestion.config import IngestionConfig
from arena_preference.pipelines.ingestion.folds import assign_folds
from arena_preference.pipelines.modelling.calibration import fit_calibration
from arena_preference.pipelines.modelling.config import ModellingConfig
from arena_preference.pipelines.modelling.fitting import fit_fold_models
from arena_preference.pipelines.modelling.linear_model import fit_linear_model
from arena_preference.pipelines.modelling.prediction import predict_out_of_fold
from arena_preference.targets import read_targets

PROJECT = Path(__file__).parents[1]
N_RESAMPLES = 2000


def load_run(data_root: str, params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Load the tables of the newest training run below a folder, and the parameters."""
    bootstrap_project(PROJECT)
    create: Any = KedroSession.create
    with create(PROJECT, runtime_params={"data_root": data_root, **params}) as session:
        context = session.load_context()
        names = ("train_battles", "train_rejected_rows", "train_model_input", "feature_groups", "ingestion_summary")
        return {name: context.catalog.load(name) for name in names}, context.params


def score(run: dict[str, Any], parameters: dict[str, Any], seed: int, left_out: list[str]) -> pd.DataFrame:
    """Return the out-of-fold predictions with one seed of the folds, without some features."""
    ingestion = IngestionConfig.model_validate(parameters["ingestion"])
    modelling = ModellingConfig.model_validate(parameters["modelling"])
    labels, summary = assign_folds(run["train_battles"], run["train_rejected_rows"], ingestion, seed)
    features, no_cross_encoder = run["train_model_input"].drop(columns=left_out), labels[[ID]]
    _, linear_logits = fit_linear_model(features, labels, summary, modelling)
    _, logits = fit_fold_models(features, linear_logits, labels, modelling, parameters["seed"])
    calibration = fit_calibration(logits, no_cross_encoder, labels, modelling)
    predictions = predict_out_of_fold(
        logits, linear_logits, no_cross_encoder, calibration, labels, run["train_model_input"]
    )
    return predictions[predictions["source"] == summary["main_source"]].sort_values(ID, ignore_index=True)


def select(run: dict[str, Any], size: int, seed: int) -> dict[str, Any]:
    """Return the tables of a random subset of the battles."""
    rows = np.sort(np.random.default_rng(seed).choice(len(run["train_battles"]), size, replace=False))
    tables = {name: run[name].iloc[rows].reset_index(drop=True) for name in ("train_battles", "train_model_input")}
    return {**run, **tables}


def average(tables: list[pd.DataFrame], prefix: str = "") -> dict[str, Any]:
    """Return the loss of each battle, averaged over the tables; the loss of each table; accuracy; calibration error."""
    pairs = [(select_probabilities(table, prefix), read_targets(table)) for table in tables]
    losses = [compute_losses(*pair) for pair in pairs]
    hits = [(probabilities.argmax(axis=1) == targets.argmax(axis=1)).mean() for probabilities, targets in pairs]
    errors = [estimate_calibration_error(*pair, 15, tables[0][ID], 10, 0)["value"] for pair in pairs]
    return {
        "losses": np.mean(losses, axis=0),
        "each": np.array([of_one.mean() for of_one in losses]),
        "accuracy": np.mean(hits),
        "ece": np.mean(errors),
    }


def main() -> None:
    """Score and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", required=True, help="data_root of a training run")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds of the folds, which are 0, 1, ...")
    parser.add_argument("--leave-out", nargs="*", default=[], help="feature groups to do without in everything")
    parser.add_argument("--ablation", action="store_true", help="also without each feature group")
    parser.add_argument(
        "--sizes", nargs="*", type=int, default=[], help="also subsets of so many battles, five of each"
    )
    parser.add_argument("--params", type=parse_params, default={}, help="of the run, as kedro run takes them")
    arguments = parser.parse_args()
    run, parameters = load_run(arguments.data_root, arguments.params)
    logging.disable(logging.INFO)
    groups = run["feature_groups"]
    left_out = [name for group in arguments.leave_out for name in groups[group]]
    tables = [score(run, parameters, seed, left_out) for seed in range(arguments.seeds)]
    final = average(tables)
    print("| model | log loss | each seed | accuracy | calibration error |\n|---|---|---|---|---|")
    for name, prefix in (("final", ""), ("linear model", "linear_"), ("length", "length_"), ("prior", "prior_")):
        result = average(tables, prefix)
        each = " ".join(f"{loss:.4f}" for loss in result["each"])
        interval = format_interval(result["losses"], tables[0]["prompt_group"])
        print(f"| {name} | {interval} | {each} | {result['accuracy']:.4f} | {result['ece']:.4f} |", flush=True)
    if arguments.ablation:
        print("\n| without | features | log loss without it minus with it |\n|---|---|---|")
        for group in [group for group in groups if group not in arguments.leave_out]:
            without = average(
                [score(run, parameters, seed, left_out + groups[group]) for seed in range(arguments.seeds)]
            )
            interval = format_interval(without["losses"] - final["losses"], tables[0]["prompt_group"])
            print(f"| {group} | {len(groups[group])} | {interval} |", flush=True)
    if arguments.sizes:
        print("\n| battles | log loss of five subsets | mean | length, mean | below length |\n|---|---|---|---|---|")
    for size in arguments.sizes:
        subsets = [score(select(run, size, seed), parameters, seed, left_out) for seed in range(5)]
        losses, lengths = (
            np.array([average([one], prefix)["each"][0] for one in subsets]) for prefix in ("", "length_")
        )
        each = " ".join(f"{loss:.4f}" for loss in losses)
        below = f"{(losses < lengths).sum()} of 5"
        print(f"| {size} | {each} | {losses.mean():.4f} | {lengths.mean():.4f} | {below} |", flush=True)


def format_interval(losses: FloatArray, groups: pd.Series) -> str:
    """Return the mean with its 95 % interval over prompt groups."""
    return "{value:.4f} [{low:.4f}, {high:.4f}]".format(**estimate_intervals({"": losses}, groups, N_RESAMPLES, 0)[""])


if __name__ == "__main__":
    main()
