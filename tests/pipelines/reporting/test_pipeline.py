from pathlib import Path

import yaml

from arena_preference.pipelines.reporting.pipeline import create_pipeline

CATALOG = Path(__file__).parents[3] / "conf" / "base" / "catalog_reporting.yml"


def test_all_that_the_report_makes_is_kept_under_a_version_and_shown_in_its_layer() -> None:
    catalog = yaml.safe_load(CATALOG.read_text(encoding="utf-8"))
    # What it reads of the simulation is not made here.
    del catalog["simulation_summary"]
    assert create_pipeline().all_outputs() == set(catalog)
    for dataset in catalog.values():
        assert dataset["versioned"]
        assert dataset["metadata"] == {"kedro-viz": {"layer": "reporting"}}
    paths = [dataset["filepath"] for dataset in catalog.values()]
    assert len(set(paths)) == len(paths)


def test_the_report_reads_what_the_training_split_left() -> None:
    assert create_pipeline().inputs() == {
        "oof_predictions",
        "base_model_predictions",
        "metrics",
        "learning_curve",
        "ablation",
        "preference_model",
        "feature_groups",
        "simulation_summary",
        "finetuning_history",
        "blend_metrics",
        "train.battles",
        "train.model_input",
        "train.shap_input",
        "params:reporting",
        "params:seed",
    }
