"""The pipeline as a whole, on labels that are not three classes of plain votes."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import ParquetDataset

from arena_preference.battles import ID, OutOfFoldPredictions, Predictions
from arena_preference.metrics import compute_losses, select_probabilities
from arena_preference.pipelines.modelling.pipeline import create_pipeline
from arena_preference.targets import SOFT_LABELS, read_targets

from .conftest import SUMMARY, set_votes, update


@pytest.fixture
def run(model_input: pd.DataFrame, cross_encoder_logits: pd.DataFrame, tmp_path: Path) -> Any:
    """Run the pipeline on some labels and return its outputs by name; the test battles are the training battles."""
    groups = {name: model_input[[ID]] for name in ("relevance", "consensus", "embedding", "reward")}
    chance = [name for name in model_input if name.startswith("chance_")]
    groups |= {"text": model_input.drop(columns=chance), "lsa": model_input[[ID, *chance]]}

    def run_pipeline(labels: pd.DataFrame, **changes: Any) -> dict[str, Any]:
        inputs: dict[str, Any] = {"labels": labels, "params:modelling": update(**changes), "params:seed": 0}
        inputs |= {"simulation_summary": {}, "ingestion_summary": SUMMARY}
        for split in ("train", "test"):
            tables = {f"{group}_features": table for group, table in groups.items()}
            tables |= {"cross_encoder_logits": cross_encoder_logits}
            inputs |= {f"{split}_{name}": table for name, table in tables.items()}
        pipeline = create_pipeline()
        assert pipeline.inputs() == set(inputs)
        catalog = DataCatalog({name: MemoryDataset(data, copy_mode="assign") for name, data in inputs.items()})
        # Kedro forgets what a later node has read, unless it is stored.
        catalog["oof_predictions"] = ParquetDataset(filepath=str(tmp_path / "oof_predictions.parquet"))
        catalog["calibration"] = JSONDataset(filepath=str(tmp_path / "calibration.json"))
        SequentialRunner().run(pipeline, catalog)
        names = ["oof_predictions", "calibration", "test_predictions", "metrics", "learning_curve", "ablation"]
        return {name: catalog.load(name) for name in names}

    return run_pipeline


def test_two_classes_are_learned_and_a_tie_has_its_prior(run: Any, labels: pd.DataFrame) -> None:
    two_classes = set_votes(labels, labels["label"] % 2)
    without, outputs = run(two_classes), run(two_classes, tie_prior=0.2)
    for prefix in ("", "prior_", "length_", "linear_", "cross_encoder_"):
        before, after = (select_probabilities(each["oof_predictions"], prefix) for each in (without, outputs))
        np.testing.assert_allclose(after, np.column_stack([0.8 * before[:, :2], np.full(len(labels), 0.2)]))
    OutOfFoldPredictions.validate(outputs["oof_predictions"])
    predictions = select_probabilities(Predictions.validate(outputs["test_predictions"]))
    assert (predictions[:, 2] == 0.2).all()
    np.testing.assert_allclose(predictions.sum(axis=1), 1)
    cost = -np.log(0.8)
    for name in ("log_loss", "prior_log_loss", "length_log_loss"):
        value = without["metrics"][name]["value"]
        assert outputs["metrics"][name]["value"] == pytest.approx(value + cost)
    value = {name: without["metrics"][name]["value"] for name in ("log_loss", "prior_log_loss")}
    assert value["log_loss"] < value["prior_log_loss"] - 0.05
    assert without["learning_curve"]["log_loss"].iloc[-1] < value["prior_log_loss"]
    assert np.isfinite(outputs["ablation"][["log_loss", "difference"]].to_numpy()).all()


def test_soft_labels_are_learned_and_scored_by_their_expected_log_loss(run: Any, labels: pd.DataFrame) -> None:
    votes = read_targets(labels)
    soft = labels.assign(**dict(zip(SOFT_LABELS, (0.8 * votes + 0.2 / 3).T, strict=True)))
    soft.loc[0, "weight"] = 2.0
    outputs = run(soft)
    predictions = OutOfFoldPredictions.validate(outputs["oof_predictions"])
    losses = compute_losses(select_probabilities(predictions), read_targets(soft))
    assert outputs["metrics"]["log_loss"]["value"] == pytest.approx(losses.mean())
    assert outputs["metrics"]["log_loss"]["value"] < outputs["metrics"]["prior_log_loss"]["value"]
    assert outputs["calibration"]["tie_prior"] is None
    others = (soft["fold"] != soft["fold"][0]).to_numpy()
    prior = np.average(read_targets(soft)[others], axis=0, weights=soft["weight"][others])
    np.testing.assert_allclose(select_probabilities(predictions, "prior_")[0], prior)


def test_a_soft_tie_that_one_fold_lacks_is_learned_from_the_others(run: Any, labels: pd.DataFrame) -> None:
    labels = set_votes(labels, labels["label"] % 2)
    labels.loc[0, SOFT_LABELS] = [0.5, 0.3, 0.2]
    predictions = OutOfFoldPredictions.validate(run(labels, seeds_per_fold=1)["oof_predictions"])
    ties = predictions["prior_winner_tie"]
    assert (ties[predictions["fold"] == labels["fold"][0]] == 0).all()
    assert (ties[predictions["fold"] != labels["fold"][0]] > 0).all()
