import subprocess
import sys

import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from arena_preference.battles import Features
from arena_preference.pipelines.embedding import create_pipeline
from arena_preference.pipelines.embedding.options import EmbeddingOptions


def test_train_fits_the_projection_and_test_uses_it(battles: pd.DataFrame, options: EmbeddingOptions) -> None:
    catalog = DataCatalog(
        {
            "train.battles": MemoryDataset(battles.head(40)),
            "test.battles": MemoryDataset(battles.tail(20).drop(columns="label")),
            "params:embedding": MemoryDataset(options),
            **{
                name: MemoryDataset()
                for name in ("embedding_projection", "train.embedding_features", "test.embedding_features")
            },
        }
    )
    SequentialRunner().run(create_pipeline("train") + create_pipeline("test"), catalog)
    for split, rows in (("train", battles.head(40)), ("test", battles.tail(20))):
        features = Features.validate(catalog.load(f"{split}.embedding_features"))
        assert features["id"].tolist() == rows["id"].tolist()


@pytest.mark.parametrize(("split", "reads"), [("train", set()), ("test", {"embedding_projection"})])
def test_only_test_reads_a_stored_projection(split: str, reads: set[str]) -> None:
    assert create_pipeline(split).inputs() == {f"{split}.battles", "params:embedding"} | reads


def test_wiring_the_pipeline_does_not_import_torch() -> None:
    code = (
        "import sys; from arena_preference.pipelines.embedding import create_pipeline; create_pipeline(); "
        "sys.exit(sum(name in sys.modules for name in ('torch', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
