"""The commands that users type, on the battles of env test."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from arena_preference.battles import LABEL_COLUMNS, OutOfFoldPredictions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def manifest(trained: Path) -> dict:
    """The manifest of the plain run."""
    (path,) = (trained / "08_reporting/runs").glob("*.json")
    return json.loads(path.read_text())


@pytest.fixture
def data_root(trained: Path, tmp_path: Path) -> Path:
    """A copy of the plain run's data."""
    return Path(shutil.copytree(trained, tmp_path / "data"))


def last_manifest(data_root: Path) -> dict:
    return json.loads(max((data_root / "08_reporting/runs").glob("*.json")).read_text())


def test_a_run_writes_every_output_of_its_nodes_under_one_version(manifest: dict, trained: Path) -> None:
    written = manifest["written"]
    assert set(written) == {name for node in manifest["nodes"] for name in node["outputs"]}
    assert {stored["version"] for stored in written.values()} == {manifest["run_id"], None}
    assert all(Path(stored["path"]).exists() for stored in written.values())
    for name in ("submission", "report", "metrics", "preference_model", "oof_predictions"):
        assert Path(written[name]["path"]).parents[1].is_relative_to(trained)


def test_the_submission_has_every_id_of_the_test_file_in_order(newest, trained: Path, raw_dir: Path) -> None:
    submission = pd.read_csv(newest(trained, "07_model_output/submission.csv"))
    assert submission.columns.tolist() == ["id", *LABEL_COLUMNS]
    assert submission["id"].tolist() == pd.read_csv(raw_dir / "test.csv")["id"].tolist()
    np.testing.assert_allclose(submission[list(LABEL_COLUMNS)].sum(axis=1), 1, atol=1e-6)


def test_metrics_and_out_of_fold_predictions_have_the_documented_form(newest, trained: Path) -> None:
    metrics = json.loads(newest(trained, "08_reporting/metrics.json").read_text())
    names = ["log_loss", "accuracy", "expected_calibration_error", "prior_log_loss", "length_log_loss"]
    assert set(metrics) == {*names, "source", "battles", "folds", "bayes_optimal_log_loss"}
    for name in names:
        assert metrics[name]["low"] <= metrics[name]["value"] <= metrics[name]["high"]
    predictions = OutOfFoldPredictions.validate(
        pd.read_parquet(newest(trained, "07_model_output/oof_predictions.parquet"))
    )
    assert len(predictions) == metrics["battles"]
    assert predictions["fold"].groupby(predictions["prompt_group"]).nunique().max() == 1


def test_the_manifest_has_what_the_run_read_its_parameters_costs_and_metrics(
    kedro, manifest: dict, trained: Path, raw_dir: Path
) -> None:
    assert manifest["status"] == "completed"
    assert manifest["read"]["train_raw_battles"]["path"] == str(raw_dir / "train.csv")
    assert manifest["parameters"]["ingestion"]["n_splits"] == manifest["metrics"]["folds"] == 3
    assert all(node["seconds"] is not None for node in manifest["nodes"])
    listed = kedro("runs", "list", f"--params=data_root={trained}").stdout
    assert f" {manifest['metrics']['log_loss']:.4f} " in listed


def test_the_log_has_one_line_per_node(manifest: dict, trained: Path) -> None:
    lines = (trained / "run.log").read_text().splitlines()
    nodes = [line.split()[2] for line in lines if line.endswith("GiB")]
    assert nodes == [node["name"] for node in manifest["nodes"]]
    assert not any("Loading data" in line or "Saving data" in line for line in lines)


def test_a_run_warns_of_nothing_but_fixed_rows(trained: Path) -> None:
    warnings = [line for line in (trained / "run.log").read_text().splitlines() if "warn" in line.lower()]
    # The simulated rows that ingestion repairs or rejects are counted as "test: 1 x reason".
    assert [line for line in warnings if not re.search(r"(train|test): \d+ x ", line)] == []


@pytest.mark.parametrize("runner", ["SequentialRunner", "ThreadRunner", "ParallelRunner"])
def test_every_runner_writes_the_same_bytes(
    newest, trained: Path, kedro, raw_dir: Path, tmp_path: Path, runner: str
) -> None:
    kedro("run", "--env=test", f"--runner={runner}", f"--params=raw_dir={raw_dir},data_root={tmp_path}")
    for output in ("07_model_output/submission.csv", "06_models/calibration.json", "08_reporting/metrics.json"):
        assert newest(tmp_path, output).read_bytes() == newest(trained, output).read_bytes()


@pytest.mark.parametrize("option", ["--pipeline=submission", "--pipelines=submission"])
def test_submission_runs_on_its_own_from_what_training_stored(
    newest, trained: Path, data_root: Path, kedro, raw_dir: Path, option: str
) -> None:
    shutil.rmtree(data_root / "07_model_output" / "submission.csv")
    kedro("run", "--env=test", option, f"--params=raw_dir={raw_dir},data_root={data_root}")
    submission = newest(data_root, "07_model_output/submission.csv")
    assert submission.read_bytes() == newest(trained, "07_model_output/submission.csv").read_bytes()


def test_submission_takes_the_model_of_a_later_run_of_modelling_alone(kedro, raw_dir: Path, data_root: Path) -> None:
    folders = f"raw_dir={raw_dir},data_root={data_root}"
    kedro("run", "--env=test", "--pipelines=modelling", f"--params={folders},modelling.catboost.depth=2")
    modelling = last_manifest(data_root)
    kedro("run", "--env=test", "--pipelines=submission", f"--params={folders}")
    submission = last_manifest(data_root)
    assert submission["from_run"] == modelling["run_id"]
    assert submission["read"]["preference_model"]["version"] == modelling["run_id"]
    assert submission["read"]["char_lsa"]["version"] == modelling["from_run"]


def test_tuning_writes_parameters_from_a_stored_run_and_resumes(newest, kedro, raw_dir: Path, data_root: Path) -> None:
    for trials in (1, 2):
        parameters = f"--params=raw_dir={raw_dir},data_root={data_root},tuning.trials={trials}"
        run = kedro("run", "--env=test", "--pipelines=tuning", parameters)
    assert "1 of 2 trials" in run.stdout + run.stderr
    tuned = yaml.safe_load(newest(data_root, "06_models/tuned_parameters.yml").read_text())
    assert set(tuned["modelling"]["catboost"]) == {"iterations", "learning_rate", "depth", "l2_leaf_reg", "rsm"}


def test_a_student_learns_from_soft_labels_of_a_stored_run_and_predicts(
    newest, trained: Path, kedro, raw_dir: Path, data_root: Path
) -> None:
    folders = f"raw_dir={raw_dir},data_root={data_root}"
    kedro("run", "--env=test", "--pipelines=distil", f"--params={folders}")
    distilled = last_manifest(data_root)
    soft_labels = pd.read_parquet(newest(data_root, "07_model_output/soft_labels.parquet"))
    assert soft_labels.groupby("id").size().eq(3).all()
    kedro("run", "--env=test", "--pipelines=student", f"--params={folders},embedding.encoder.enabled=false")
    student = last_manifest(data_root)
    assert student["from_run"] == distilled["run_id"]
    assert student["read"]["labels"]["version"] == distilled["from_run"]
    assert (
        student["metrics"]["battles"] == json.loads(newest(trained, "08_reporting/metrics.json").read_text())["battles"]
    )
    kedro("run", "--env=test", "--pipelines=submission", f"--params={folders},embedding.encoder.enabled=false")
    assert last_manifest(data_root)["read"]["preference_model"]["version"] == student["run_id"]


def test_an_ablation_is_measured_on_demand_and_shown_in_the_report(
    newest, trained: Path, kedro, raw_dir: Path, data_root: Path
) -> None:
    parameters = f"--params=raw_dir={raw_dir},data_root={data_root},modelling.ablation=true"
    kedro("run", "--env=test", "--pipelines=modelling,reporting", parameters)
    assert "Ablation" not in newest(trained, "08_reporting/report.html").read_text()
    table = pd.read_parquet(newest(data_root, "08_reporting/ablation.parquet"))
    assert table["left_out"].tolist() == ["text", "LSA", "relevance", "consensus", "embedding"]
    assert "Ablation" in newest(data_root, "08_reporting/report.html").read_text()
    assert (newest(data_root, "08_reporting/figures") / "ablation.png").is_file()


def test_submission_reads_whatever_the_test_file_holds_now(
    newest, data_root: Path, kedro, raw_dir: Path, tmp_path: Path
) -> None:
    battles = pd.read_csv(raw_dir / "test.csv", dtype=str, keep_default_na=False)[:5]
    swapped = battles.rename(columns={"response_a": "response_b", "response_b": "response_a"})
    swapped["id"] = [str(2**31 + number) for number in range(5)]
    broken = battles[:1].assign(id="12", prompt="no list", response_a="")
    new = tmp_path / "raw"
    new.mkdir()
    pd.concat([swapped, battles, broken])[::-1].to_csv(new / "test.csv.gz", index=False)
    kedro("run", "--env=test", "--pipelines=submission", f"--params=raw_dir={new},data_root={data_root}")
    submission = pd.read_csv(newest(data_root, "07_model_output/submission.csv"), index_col="id")
    assert submission.index[0] == 12
    assert len(submission) == 11
    in_order = submission.loc[battles["id"].astype(int), ["winner_model_a", "winner_model_b", "winner_tie"]]
    exchanged = submission.loc[swapped["id"].astype(int), ["winner_model_b", "winner_model_a", "winner_tie"]]
    np.testing.assert_allclose(exchanged.to_numpy(), in_order.to_numpy(), rtol=0, atol=1e-9)
    report = pd.read_parquet(newest(data_root, "02_intermediate/test_rejected_rows.parquet"))
    assert report["id"].tolist() == ["12"]


@pytest.mark.parametrize("pipeline", ["ingestion", "features", "embedding", "finetuning", "modelling", "reporting"])
def test_each_pipeline_runs_on_its_own(kedro, raw_dir: Path, data_root: Path, pipeline: str) -> None:
    kedro("run", "--env=test", f"--pipelines={pipeline}", f"--params=raw_dir={raw_dir},data_root={data_root}")


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("modelling.catboost.dept=3", "dept"),
        ("ingestion.n_splits=1", "n_splits"),
        ("embedding.encoder.max_tokens=many", "max_tokens"),
        ("n_split=10", "n_split"),
    ],
)
def test_a_wrong_parameter_stops_the_run_before_any_node(
    kedro, raw_dir: Path, tmp_path: Path, parameter: str, message: str
) -> None:
    done = kedro("run", "--env=test", f"--params=raw_dir={raw_dir},data_root={tmp_path},{parameter}", check=False)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert not (tmp_path / "02_intermediate").exists()


def test_a_missing_raw_folder_is_an_error_with_a_suggestion(kedro, tmp_path: Path) -> None:
    done = kedro("run", "--env=test", f"--params=raw_dir={tmp_path / 'nowhere'},data_root={tmp_path}", check=False)
    assert done.returncode != 0
    assert "--params=raw_dir=DIR" in done.stdout + done.stderr


def test_a_test_file_without_rows_is_an_error_and_no_empty_submission(
    data_root: Path, kedro, raw_dir: Path, tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "test.csv").write_text((raw_dir / "test.csv").read_text(encoding="utf-8").partition("\n")[0] + "\n")
    parameters = f"--params=raw_dir={raw},data_root={data_root}"
    done = kedro("run", "--env=test", "--pipelines=submission", parameters, check=False)
    assert done.returncode != 0
    assert str(raw / "test.csv") in done.stdout + done.stderr
    assert len(list((data_root / "07_model_output" / "submission.csv").iterdir())) == 1


def test_an_unusable_file_stops_the_run_with_file_and_column(kedro, raw_dir: Path, tmp_path: Path) -> None:
    battles = pd.read_csv(raw_dir / "train.csv", dtype=str, keep_default_na=False)
    battles.drop(columns="winner_tie").to_csv(tmp_path / "train.csv", index=False)
    parameters = f"--params=raw_dir={tmp_path},data_root={tmp_path / 'data'}"
    done = kedro("run", "--env=test", "--pipelines=ingestion", "--tags=train", parameters, check=False)
    assert done.returncode != 0
    printed = done.stdout + done.stderr
    assert str(tmp_path / "train.csv") in printed
    assert "winner_tie" in printed


def test_the_catalog_can_be_described(kedro) -> None:
    assert "CatBoostDataset" in kedro("catalog", "describe-datasets").stdout
