"""The main job as its users type it, on the battles of env test."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from arena_preference.battles import LABEL_COLUMNS, OutOfFoldPredictions

PROJECT = Path(__file__).parents[2]
OUTPUTS = [
    "02_intermediate/train.battles.parquet",
    "08_reporting/test.rejected_rows.parquet",
    "04_feature/train.text_features.parquet",
    "06_models/char_lsa.skops",
    "06_models/preference_model.cbm",
    "07_model_output/oof_predictions.parquet",
    "07_model_output/submission.csv",
    "08_reporting/metrics.json",
    "08_reporting/report.html",
    "08_reporting/bias_audit.json",
    "08_reporting/figures",
]


def test_a_run_leaves_every_output_under_one_version(trained: Path) -> None:
    versions = {output: [entry.name for entry in (trained / output).iterdir()] for output in OUTPUTS}
    assert all(names == versions[OUTPUTS[0]] for names in versions.values())
    assert len(versions[OUTPUTS[0]]) == 1


def test_the_submission_has_every_id_of_the_test_file_in_order(newest, trained: Path, raw_dir: Path) -> None:
    submission = pd.read_csv(newest(trained, "07_model_output/submission.csv"))
    assert submission.columns.tolist() == ["id", *LABEL_COLUMNS]
    assert submission["id"].tolist() == pd.read_csv(raw_dir / "test.csv")["id"].tolist()
    np.testing.assert_allclose(submission[list(LABEL_COLUMNS)].sum(axis=1), 1, atol=1e-6)


def test_metrics_and_out_of_fold_predictions_have_the_promised_form(newest, trained: Path) -> None:
    metrics = json.loads(newest(trained, "08_reporting/metrics.json").read_text())
    scores = ["log_loss", "accuracy", "expected_calibration_error", "prior_log_loss", "length_log_loss"]
    assert set(metrics) == {*scores, "battles", "folds"}
    for name in scores:
        assert metrics[name]["low"] <= metrics[name]["value"] <= metrics[name]["high"]
    predictions = OutOfFoldPredictions.validate(
        pd.read_parquet(newest(trained, "07_model_output/oof_predictions.parquet"))
    )
    assert len(predictions) == metrics["battles"]
    assert predictions["fold"].groupby(predictions["prompt_group"]).nunique().max() == 1


def test_a_run_leaves_a_manifest_of_all_that_it_read_and_wrote(kedro, trained: Path, raw_dir: Path) -> None:
    (manifest,) = (json.loads(path.read_text()) for path in (trained / "08_reporting/runs").iterdir())
    assert manifest["status"] == "completed"
    assert manifest["read"]["train.raw_battles"]["path"] == str(raw_dir / "train.csv")
    assert {f"{Path(stored['path']).parents[1]}" for stored in manifest["written"].values() if stored["version"]} >= {
        str(trained / output) for output in OUTPUTS
    }
    assert manifest["parameters"]["modelling"]["folds"] == manifest["metrics"]["folds"] == 3
    assert all(node["seconds"] is not None for node in manifest["nodes"])
    listed = kedro("runs", "list", f"--params=data_root={trained}").stdout
    assert f" {manifest['metrics']['log_loss']:.4f} " in listed


def test_a_run_warns_of_nothing_but_mended_rows(trained: Path) -> None:
    warnings = [line for line in (trained / "run.log").read_text().splitlines() if "warn" in line.lower()]
    assert [line for line in warnings if "pipelines.ingestion" not in line] == []


@pytest.mark.parametrize("runner", ["SequentialRunner", "ThreadRunner", "ParallelRunner"])
def test_every_runner_gives_the_same_submission_bytes(
    newest, trained: Path, kedro, raw_dir: Path, tmp_path: Path, runner: str
) -> None:
    kedro("run", "--env=test", f"--runner={runner}", f"--params=raw_dir={raw_dir},data_root={tmp_path}")
    for output in ("07_model_output/submission.csv", "06_models/calibration.json", "08_reporting/metrics.json"):
        assert newest(tmp_path, output).read_bytes() == newest(trained, output).read_bytes()


@pytest.mark.parametrize("option", ["--pipeline=submission", "--pipelines=submission"])
def test_submission_runs_on_its_own_from_what_training_stored(
    newest, trained: Path, kedro, raw_dir: Path, tmp_path: Path, option: str
) -> None:
    data_root = tmp_path / "data"
    shutil.copytree(trained, data_root)
    shutil.rmtree(data_root / "07_model_output" / "submission.csv")
    kedro("run", "--env=test", option, f"--params=raw_dir={raw_dir},data_root={data_root}")
    submission = newest(data_root, "07_model_output/submission.csv")
    assert submission.read_bytes() == newest(trained, "07_model_output/submission.csv").read_bytes()


def test_submission_takes_the_model_of_a_later_run_of_modelling_alone(
    newest, trained: Path, kedro, raw_dir: Path, tmp_path: Path
) -> None:
    data_root = tmp_path / "data"
    shutil.copytree(trained, data_root)
    folders = f"raw_dir={raw_dir},data_root={data_root}"
    kedro("run", "--env=test", "--pipelines=modelling", f"--params={folders},modelling.catboost.depth=2")
    done = kedro("run", "--env=test", "--pipelines=submission", f"--params={folders}")
    model = newest(data_root, "06_models/preference_model.cbm")
    assert not (trained / model.relative_to(data_root)).exists()
    assert f"has loaded preference_model, version {model.parent.name}" in done.stdout + done.stderr


def test_tuning_gives_parameters_from_a_stored_run_and_resumes(
    newest, trained: Path, kedro, raw_dir: Path, tmp_path: Path
) -> None:
    data_root = tmp_path / "data"
    shutil.copytree(trained, data_root)
    for trials in (1, 2):
        parameters = f"--params=raw_dir={raw_dir},data_root={data_root},tuning.trials={trials}"
        run = kedro("run", "--env=test", "--pipelines=tuning", parameters)
    assert "1 of 2 trials are there" in run.stdout + run.stderr
    tuned = yaml.safe_load(newest(data_root, "06_models/tuned_parameters.yml").read_text())
    assert set(tuned["modelling"]["catboost"]) == {"iterations", "learning_rate", "depth", "l2_leaf_reg", "rsm"}


def test_an_ablation_is_measured_on_demand_and_shown_in_the_report(
    newest, trained: Path, kedro, raw_dir: Path, tmp_path: Path
) -> None:
    data_root = tmp_path / "data"
    shutil.copytree(trained, data_root)
    parameters = f"--params=raw_dir={raw_dir},data_root={data_root},modelling.ablation=true"
    kedro("run", "--env=test", "--pipelines=modelling,reporting", parameters)
    assert "Ablation" not in newest(trained, "08_reporting/report.html").read_text()
    table = pd.read_parquet(newest(data_root, "08_reporting/ablation.parquet"))
    assert table["left_out"].tolist() == ["text", "latent", "relevance", "consensus", "embedding", "bag-of-words model"]
    assert "Ablation" in newest(data_root, "08_reporting/report.html").read_text()
    assert (newest(data_root, "08_reporting/figures") / "ablation.png").is_file()


def test_submission_reads_whatever_the_test_file_holds_now(
    newest, trained: Path, kedro, raw_dir: Path, tmp_path: Path
) -> None:
    battles = pd.read_csv(raw_dir / "test.csv", dtype=str, keep_default_na=False)[:5]
    swapped = battles.rename(columns={"response_a": "response_b", "response_b": "response_a"})
    swapped["id"] = [str(2**31 + number) for number in range(5)]
    broken = battles[:1].assign(id="12", prompt="no list", response_a="")
    new = tmp_path / "raw"
    new.mkdir()
    pd.concat([swapped, battles, broken])[::-1].to_csv(new / "test.csv.gz", index=False)
    data_root = tmp_path / "data"
    shutil.copytree(trained, data_root)
    kedro("run", "--env=test", "--pipelines=submission", f"--params=raw_dir={new},data_root={data_root}")
    submission = pd.read_csv(newest(data_root, "07_model_output/submission.csv"), index_col="id")
    assert submission.index[0] == 12
    assert len(submission) == 11
    in_order = submission.loc[battles["id"].astype(int), ["winner_model_a", "winner_model_b", "winner_tie"]]
    exchanged = submission.loc[swapped["id"].astype(int), ["winner_model_b", "winner_model_a", "winner_tie"]]
    np.testing.assert_allclose(exchanged.to_numpy(), in_order.to_numpy(), rtol=0, atol=1e-9)
    report = pd.read_parquet(newest(data_root, "08_reporting/test.rejected_rows.parquet"))
    assert report["id"].tolist() == ["12"]


@pytest.mark.parametrize("pipeline", ["ingestion", "features", "embedding", "finetuning", "modelling", "reporting"])
def test_each_pipeline_runs_on_its_own(trained: Path, kedro, raw_dir: Path, tmp_path: Path, pipeline: str) -> None:
    shutil.copytree(trained, tmp_path / "data")
    kedro("run", "--env=test", f"--pipelines={pipeline}", f"--params=raw_dir={raw_dir},data_root={tmp_path / 'data'}")


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("modelling.catboost.dept=3", "dept"),
        ("modelling.folds=1", "greater than or equal to 3"),
        ("embedding.encoder.max_tokens=many", "max_tokens"),
        ("foldes=10", "There is no parameter 'foldes'"),
    ],
)
def test_a_wrong_parameter_stops_the_run_before_any_node(
    kedro, raw_dir: Path, tmp_path: Path, parameter: str, message: str
) -> None:
    done = kedro("run", "--env=test", f"--params=raw_dir={raw_dir},data_root={tmp_path},{parameter}", check=False)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert not (tmp_path / "02_intermediate").exists()


def test_a_missing_raw_folder_is_an_error_that_says_what_to_do(kedro, tmp_path: Path) -> None:
    done = kedro("run", "--env=test", f"--params=raw_dir={tmp_path / 'nowhere'},data_root={tmp_path}", check=False)
    assert done.returncode != 0
    assert "--params=raw_dir=DIR" in done.stdout + done.stderr


def test_a_test_file_without_rows_is_an_error_and_no_empty_submission(
    trained: Path, kedro, raw_dir: Path, tmp_path: Path
) -> None:
    raw, data_root = tmp_path / "raw", tmp_path / "data"
    raw.mkdir()
    (raw / "test.csv").write_text((raw_dir / "test.csv").read_text(encoding="utf-8").partition("\n")[0] + "\n")
    shutil.copytree(trained, data_root)
    parameters = f"--params=raw_dir={raw},data_root={data_root}"
    done = kedro("run", "--env=test", "--pipelines=submission", parameters, check=False)
    assert done.returncode != 0
    assert f"{raw / 'test.csv'} holds a header and no rows. Put the rows there" in done.stdout + done.stderr
    assert len(list((data_root / "07_model_output" / "submission.csv").iterdir())) == 1


def test_an_unusable_file_stops_the_run_with_file_column_and_remedy(kedro, raw_dir: Path, tmp_path: Path) -> None:
    battles = pd.read_csv(raw_dir / "train.csv", dtype=str, keep_default_na=False)
    battles.drop(columns="winner_tie").to_csv(tmp_path / "train.csv", index=False)
    parameters = f"--params=raw_dir={tmp_path},data_root={tmp_path / 'data'}"
    done = kedro("run", "--env=test", "--pipelines=ingestion", parameters, check=False)
    assert done.returncode != 0
    assert f"{tmp_path / 'train.csv'} lacks the column winner_tie" in done.stdout + done.stderr


def test_the_catalog_can_be_described(kedro) -> None:
    assert "CatBoostDataset" in kedro("catalog", "describe-datasets").stdout


# Kedro 1.7 reads the fields of a typed parameter in the way that pydantic 2.11 deprecates.
@pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute:DeprecationWarning")
def test_everything_that_flows_is_in_the_catalog_with_a_layer_and_none_of_it_is_a_pickle() -> None:
    bootstrap_project(PROJECT)
    with KedroSession.create(PROJECT, env="test") as session:
        catalog = session.load_context().catalog
        flowing = {name for name in pipelines["__default__"].datasets() if not name.startswith("param")}
        assert len(flowing) > 25
        for name in flowing:
            dataset = catalog.get(name)
            assert type(dataset).__name__ not in ("MemoryDataset", "PickleDataset"), name
            assert dataset.metadata["kedro-viz"]["layer"], name
