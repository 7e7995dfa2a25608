"""The pipeline as a whole, on small battles."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import CSVDataset

from arena_preference.battles import ORIGINAL_ORDER, SWAPPED_ORDER
from arena_preference.datasets import FiguresDataset
from arena_preference.metrics import select_probabilities
from arena_preference.pipelines.reporting.config import ReportingConfig
from arena_preference.pipelines.reporting.pipeline import create_pipeline
from arena_preference.targets import SOFT_LABELS

from .conftest import Run, set_probabilities
from .test_page import Page


def make_report(full_run: Run, config: ReportingConfig, tmp_path: Path) -> dict[str, Any]:
    """Run the pipeline and return the datasets of its outputs."""
    inputs: dict[str, Any] = {
        "oof_predictions": full_run.oof_predictions,
        "metrics": full_run.metrics,
        "learning_curve": full_run.learning_curve,
        "cross_encoders": full_run.cross_encoders,
        "ingestion_summary": full_run.ingestion_summary,
        "train_battles": full_run.battles,
        "train_model_input": full_run.model_input,
        "linear_model": full_run.linear_model,
        "preference_model": full_run.preference_model,
        "feature_groups": full_run.feature_groups,
        "ablation": full_run.ablation,
        "params:reporting": config,
        "params:seed": 0,
    }
    stored: dict[str, Any] = {
        "performance": JSONDataset(filepath=str(tmp_path / "performance.json")),
        "bias_audit": JSONDataset(filepath=str(tmp_path / "bias_audit.json")),
        "highest_loss_battles": JSONDataset(filepath=str(tmp_path / "highest_loss_battles.json")),
        "slice_metrics": CSVDataset(filepath=str(tmp_path / "slice_metrics.csv"), save_args={"index": False}),
        "feature_importance": CSVDataset(filepath=str(tmp_path / "feature_importance.csv")),
        "figures": FiguresDataset(filepath=str(tmp_path / "figures")),
        "report": MemoryDataset(),
    }
    pipeline = create_pipeline()
    assert pipeline.inputs() == set(inputs)
    assert pipeline.all_outputs() == set(stored)
    memory = {name: MemoryDataset(data, copy_mode="assign") for name, data in inputs.items()}
    SequentialRunner().run(pipeline, DataCatalog({**memory, **stored}))
    return stored


def test_a_run_with_everything_stores_all_figures_once_and_shows_them_on_one_page(
    full_run: Run, config: ReportingConfig, tmp_path: Path
) -> None:
    stored = make_report(full_run, config, tmp_path)
    figures = stored["figures"].load()
    assert len(figures) == 17
    page = Page(stored["report"].load())
    assert sorted(page.images) == sorted((figure.title, figure.data_url) for figure in figures.values())
    assert all(figure.title for figure in figures.values())
    assert len(page.html.encode()) < 5_000_000
    # Every number of the audit is JSON, also where a table has nothing.
    json.loads((tmp_path / "bias_audit.json").read_text(), parse_constant=lambda name: 1 / 0)


def test_a_run_without_ties_is_reported(full_run: Run, config: ReportingConfig, tmp_path: Path) -> None:
    oof = full_run.oof_predictions
    oof["source"] = full_run.metrics["source"]
    oof["label"] = (oof["label"] % 2).astype("int8")
    oof[SOFT_LABELS] = np.eye(3)[oof["label"]]
    for prefix in ("", "prior_", "length_", ORIGINAL_ORDER, SWAPPED_ORDER, "linear_"):
        probabilities = select_probabilities(oof, prefix) * [1, 1, 0]
        set_probabilities(oof, probabilities / probabilities.sum(axis=1, keepdims=True), prefix)
    stored = make_report(full_run, config, tmp_path)
    performance = stored["performance"].load()
    tie = performance["classes"][2]
    assert (tie["battles"], tie["log_loss"], tie["precision"], tie["recall"]) == (0, 0, 0, 0)
    assert np.sum(performance["confusion"], axis=1).tolist() == [*np.bincount(oof["label"]), 0]
    assert {row["value"] for row in performance["reliability"] if row["label"] == 2} == {0}
    assert len(stored["figures"].load()) == 17
    assert len(stored["report"].load()) > 0
