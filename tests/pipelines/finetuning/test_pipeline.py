import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from arena_preference.folds import assign_folds
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from kedro_datasets.json import JSONDataset

from arena_preference.battles import Logits
from arena_preference.datasets import HandleDataset, ModelStore
from arena_preference.pipelines.finetuning import create_pipeline
from arena_preference.pipelines.finetuning.nodes import assign_training_folds

from .conftest import ChangeOptions


@pytest.mark.parametrize("enabled", [True, False])
def test_train_makes_models_and_test_is_scored_by_them(
    change_options: ChangeOptions, battles: pd.DataFrame, tmp_path: Path, enabled: bool
) -> None:
    parts = {"train": battles, "test": battles.tail(20).drop(columns="label")}
    catalog = DataCatalog(
        {
            **{f"{split}.battles": MemoryDataset(part) for split, part in parts.items()},
            "finetuning_folds": MemoryDataset(),
            "params:modelling.folds": MemoryDataset(3),
            "params:finetuning": MemoryDataset(change_options(enabled=enabled, training={"epochs": 1})),
            "params:seed": MemoryDataset(0),
            "cross_encoder_store": HandleDataset(filepath=str(tmp_path / "store"), opener=ModelStore),
            "cross_encoders": JSONDataset(filepath=str(tmp_path / "cross_encoders.json")),
            "finetuning_history": MemoryDataset(),
            **{f"{split}.cross_encoder_logits": MemoryDataset() for split in parts},
        }
    )
    SequentialRunner().run(create_pipeline("train") + create_pipeline("test"), catalog)
    for split, part in parts.items():
        scores = Logits.validate(catalog.load(f"{split}.cross_encoder_logits"))
        assert scores["id"].tolist() == part["id"].tolist()
        assert len(scores.columns) == 1 + 3 * enabled
    assert (tmp_path / "store").exists() == enabled


def test_the_models_are_trained_on_the_folds_of_modelling_and_before_it(
    change_options: ChangeOptions, battles: pd.DataFrame
) -> None:
    options = change_options()
    pd.testing.assert_frame_equal(assign_training_folds(battles, options, 3, seed=1), assign_folds(battles, 3, seed=1))
    # Nothing that modelling makes: either pipeline can be run again without the other.
    assert create_pipeline("train").inputs() == {
        "train.battles", "cross_encoder_store", "params:finetuning", "params:modelling.folds", "params:seed",
    }  # fmt: skip
    assert create_pipeline("test").inputs() == {
        "test.battles", "cross_encoder_store", "cross_encoders", "params:finetuning",
    }  # fmt: skip


def test_neither_wiring_nor_a_run_that_is_switched_off_imports_what_trains() -> None:
    code = (
        "import sys, pandas as pd, yaml\n"
        "from arena_preference.datasets import ModelStore\n"
        "from arena_preference.pipelines.finetuning import create_pipeline, nodes\n"
        "from arena_preference.pipelines.finetuning.config import FinetuningConfig\n"
        "create_pipeline()\n"
        "options = FinetuningConfig(**yaml.safe_load(open(sys.argv[1]))['finetuning'])\n"
        "ids = pd.DataFrame({'id': [1], 'fold': [0]})\n"
        "trained, _ = nodes.train_cross_encoders(ids, ids, ModelStore('nowhere'), options, 0)\n"
        "nodes.score_folds(ids, ids, ModelStore('nowhere'), trained, options)\n"
        "sys.exit(sum(name in sys.modules for name in ('transformers', 'accelerate', 'peft')))"
    )
    parameters = Path(__file__).parents[3] / "conf" / "base" / "parameters_finetuning.yml"
    assert subprocess.run([sys.executable, "-c", code, str(parameters)], check=False).returncode == 0
