import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from kedro_datasets.json import JSONDataset

from arena_preference.battles import Logits
from arena_preference.datasets import HandleDataset, ModelStore
from arena_preference.pipelines.finetuning import create_pipeline

from .conftest import MakeConfig


@pytest.mark.parametrize("enabled", [True, False])
def test_the_models_of_train_predict_both_splits(
    make_config: MakeConfig, battles: pd.DataFrame, labels: pd.DataFrame, tmp_path: Path, enabled: bool
) -> None:
    parts = {"train": battles, "test": battles.tail(20).drop(columns="label")}
    catalog = DataCatalog(
        {
            **{f"{split}_battles": MemoryDataset(part) for split, part in parts.items()},
            "labels": MemoryDataset(labels),
            "params:finetuning": MemoryDataset(make_config(enabled=enabled, training={"epochs": 1})),
            "params:seed": MemoryDataset(0),
            "cross_encoder_store": HandleDataset(filepath=str(tmp_path / "store"), opener=ModelStore),
            "cross_encoders": JSONDataset(filepath=str(tmp_path / "cross_encoders.json")),
            **{f"{split}_cross_encoder_logits": MemoryDataset() for split in parts},
        }
    )
    SequentialRunner().run(create_pipeline(), catalog)
    for split, part in parts.items():
        logits = Logits.validate(catalog.load(f"{split}_cross_encoder_logits"))
        assert logits["id"].tolist() == part["id"].tolist()
        assert len(logits.columns) == 1 + 3 * enabled
    assert (tmp_path / "store").exists() == enabled


def test_wiring_the_pipeline_does_not_import_torch() -> None:
    code = (
        "import sys; from arena_preference.pipelines.finetuning import create_pipeline; create_pipeline(); "
        "sys.exit(sum(name in sys.modules for name in ('torch', 'transformers', 'accelerate', 'peft')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_a_disabled_pipeline_runs_without_torch_and_transformers() -> None:
    code = (
        "import sys, pandas as pd, yaml\n"
        "from arena_preference.datasets import ModelStore\n"
        "from arena_preference.pipelines.finetuning import nodes\n"
        "from arena_preference.pipelines.finetuning.config import FinetuningConfig\n"
        "config = FinetuningConfig(**yaml.safe_load(open(sys.argv[1]))['finetuning'])\n"
        "ids = pd.DataFrame({'id': [1], 'fold': [0]})\n"
        "trained = nodes.train_cross_encoders(ids, ids, ModelStore('nowhere'), config, 0)\n"
        "nodes.predict_oof_logits(ids, ids, ModelStore('nowhere'), trained, config)\n"
        "sys.exit(sum(name in sys.modules for name in ('torch', 'transformers', 'accelerate', 'peft')))"
    )
    parameters = Path(__file__).parents[3] / "conf" / "base" / "parameters_finetuning.yml"
    assert subprocess.run([sys.executable, "-c", code, str(parameters)], check=False).returncode == 0
