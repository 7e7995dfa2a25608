from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro_datasets.pandas import JSONDataset

from arena_preference.battles import ID, LABEL_COLUMNS, TEXT_COLUMNS, prompt_group
from arena_preference.datasets import RawTablesDataset
from arena_preference.metrics import select_probabilities
from arena_preference.pipelines.distil.nodes import write_soft_labels
from arena_preference.pipelines.ingestion.config import IngestionConfig
from arena_preference.pipelines.ingestion.folds import assign_folds
from arena_preference.pipelines.ingestion.parsing import parse_train_battles
from arena_preference.targets import read_targets


@pytest.fixture
def predictions(battles: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    probabilities = pd.DataFrame(rng.dirichlet([1, 1, 1], size=len(battles)), columns=list(LABEL_COLUMNS))
    return battles[[ID]].join(probabilities)


def test_ingestion_reads_the_predictions_as_soft_labels(
    battles: pd.DataFrame, predictions: pd.DataFrame, pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    conf = pytestconfig.rootpath / "conf" / "base"
    battles["prompt"] = [[*turns, None, 'a "quoted"\nline, Ünïcode'] for turns in battles["prompt"]]
    save_args = yaml.safe_load((conf / "catalog.yml").read_text())["distilled_battles"]["save_args"]
    JSONDataset(filepath=str(tmp_path / "train" / "distilled.jsonl"), save_args=save_args).save(
        write_soft_labels(battles, predictions[::-1])
    )
    config = IngestionConfig.model_validate(
        yaml.safe_load((conf / "parameters_ingestion.yml").read_text())["ingestion"]
    )
    parsed, rejected = parse_train_battles(RawTablesDataset(filepath=str(tmp_path / "train")).load(), config)
    assert len(rejected) == 0
    assert parsed[ID].tolist() == battles[ID].tolist()
    for column in TEXT_COLUMNS:
        assert parsed[column].tolist() == battles[column].tolist()
    assert parsed["prompt_group"].tolist() == battles["prompt"].map(prompt_group).tolist()
    labels, _ = assign_folds(parsed, rejected, config, seed=0)
    np.testing.assert_allclose(read_targets(labels), select_probabilities(predictions), atol=1e-14)


def test_predictions_of_other_battles_are_rejected_and_the_teacher_is_warned_of(
    battles: pd.DataFrame, predictions: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValueError, match=r"test_predictions.*from_run"):
        write_soft_labels(battles, predictions[1:])
    write_soft_labels(battles, predictions)
    assert "240 soft labels" in caplog.text
    assert "pipeline evaluation" in caplog.text
