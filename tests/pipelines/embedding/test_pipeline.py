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

from .conftest import MakeModel

STORES = [
    "embedding_store",
    *(f"{split}.{name}" for split in ("train", "test") for name in ("text_embeddings", "response_scores")),
]
RESULTS = [
    "encoder",
    "reward_model",
    "embedding_projection",
    *(f"{split}.{name}_features" for split in ("train", "test") for name in ("embedding", "reward")),
]


@pytest.mark.parametrize("rewarded", [True, False])
@pytest.mark.parametrize("embedded", [True, False])
def test_train_fixes_the_models_and_test_uses_them(
    battles: pd.DataFrame,
    options: EmbeddingConfig,
    make_reward_model: MakeModel,
    tmp_path: Path,
    embedded: bool,
    rewarded: bool,
) -> None:
    chosen = options.model_copy(
        update={
            "encoder": options.encoder.model_copy(update={"enabled": embedded}),
            "reward_model": options.reward_model.model_copy(
                update={"enabled": rewarded, "model": str(make_reward_model()), "revision": None}
            ),
        }
    )
    parts = {"train": battles.head(40), "test": battles.tail(20).drop(columns="label")}
    catalog = DataCatalog(
        {
            **{f"{split}.battles": MemoryDataset(part) for split, part in parts.items()},
            "train.sampled_battles": MemoryDataset(parts["train"]),
            "params:embedding": MemoryDataset(chosen),
            **{name: EmbeddingStoreDataset(filepath=str(tmp_path / "store")) for name in STORES},
            **{name: MemoryDataset() for name in RESULTS},
        }
    )
    SequentialRunner().run(create_pipeline("train") + create_pipeline("test"), catalog)
    for split, part in parts.items():
        for name, columns in (("embedding", 8 if embedded else 0), ("reward", 2 if rewarded else 0)):
            features = Features.validate(catalog.load(f"{split}.{name}_features"))
            assert features["id"].tolist() == part["id"].tolist()
            assert len(features.columns) == 1 + columns
    assert len(list((tmp_path / "store").glob("*"))) == embedded + rewarded


@pytest.mark.parametrize(
    ("split", "reads"),
    [("train", {"train.sampled_battles"}), ("test", {"encoder", "reward_model", "embedding_projection"})],
)
def test_only_test_reads_stored_models(split: str, reads: set[str]) -> None:
    assert create_pipeline(split).inputs() == {f"{split}.battles", "embedding_store", "params:embedding"} | reads


def test_test_is_embedded_after_train_so_that_what_they_share_is_embedded_once() -> None:
    order = [node.name for node in (create_pipeline("train") + create_pipeline("test")).nodes]
    assert order.index("train.embed_texts") < order.index("test.embed_texts")
    depends_on = (create_pipeline("train") + create_pipeline("test")).to_nodes("test.embed_texts").nodes
    assert "train.embed_texts" in {node.name for node in depends_on}


def test_wiring_the_pipeline_does_not_import_torch() -> None:
    code = (
        "import sys; from arena_preference.pipelines.embedding import create_pipeline; create_pipeline(); "
        "sys.exit(sum(name in sys.modules for name in ('torch', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
