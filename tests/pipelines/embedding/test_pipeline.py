import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from arena_preference.datasets import EmbeddingStoreDataset
from arena_preference.pipelines.embedding import create_pipeline
from arena_preference.pipelines.embedding.config import EmbeddingConfig
from arena_preference.symmetry import Features

from .conftest import change

STORES = [
    "embedding_store",
    *(f"{split}_{name}" for split in ("train", "test") for name in ("text_embeddings", "response_scores")),
]
RESULTS = [
    "embedding_models",
    "embedding_projection",
    *(f"{split}_{name}_features" for split in ("train", "test") for name in ("embedding", "reward")),
]


@pytest.mark.parametrize("rewarded", [True, False])
@pytest.mark.parametrize("embedded", [True, False])
def test_both_splits_have_features_of_the_same_models(
    battles: pd.DataFrame,
    config: EmbeddingConfig,
    reward_model: Path,
    tmp_path: Path,
    embedded: bool,
    rewarded: bool,
) -> None:
    chosen = change(config, "encoder", enabled=embedded)
    limits = {"max_tokens": 400, "tail_tokens": 300}
    chosen = change(chosen, "reward_model", enabled=rewarded, model=str(reward_model), revision=None, **limits)
    parts = {"train": battles.head(40), "test": battles.tail(20).drop(columns="label")}
    catalog = DataCatalog(
        {
            **{f"{split}_battles": MemoryDataset(part) for split, part in parts.items()},
            "train_sampled_battles": MemoryDataset(parts["train"]),
            "params:embedding": MemoryDataset(chosen),
            **{name: EmbeddingStoreDataset(filepath=str(tmp_path / "store")) for name in STORES},
            **{name: MemoryDataset() for name in RESULTS},
        }
    )
    SequentialRunner().run(create_pipeline(), catalog)
    for split, part in parts.items():
        for name, columns in (("embedding", 8 if embedded else 0), ("reward", 2 if rewarded else 0)):
            features = Features.validate(catalog.load(f"{split}_{name}_features"))
            assert features["id"].tolist() == part["id"].tolist()
            assert len(features.columns) == 1 + columns
    assert len(list((tmp_path / "store").glob("*"))) == embedded + rewarded


def test_only_test_reads_stored_models() -> None:
    assert create_pipeline(["test"]).inputs() - create_pipeline(["train"]).inputs() == {
        "test_battles", "embedding_models", "embedding_projection",
    }  # fmt: skip


def test_train_is_embedded_before_test_so_that_common_texts_are_embedded_once() -> None:
    before = create_pipeline().to_nodes("embedding.embed_test_texts").nodes
    assert "embedding.embed_train_texts" in {node.name for node in before}


def test_wiring_the_pipeline_does_not_import_torch() -> None:
    code = (
        "import sys; from arena_preference.pipelines.embedding import create_pipeline; create_pipeline(); "
        "sys.exit(sum(name in sys.modules for name in ('torch', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
