"""How the pipeline ``features`` is wired and configured."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from arena_preference.battles import ID, Features
from arena_preference.pipelines.features import create_pipeline
from arena_preference.pipelines.features.options import TextFeatureOptions, TextVectorizerOptions

PARAMETERS = Path(__file__).parents[3] / "conf" / "base" / "parameters_features.yml"


@pytest.fixture
def parameters() -> dict[str, dict[str, object]]:
    return yaml.safe_load(PARAMETERS.read_text(encoding="utf-8"))["features"]


def make_battles(n_rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    words = np.array(["tea", "cup", "leaf", "hot", "code", "loop", "array", "bug"])

    def write() -> list[list[str]]:
        return [[" ".join(rng.choice(words, 6))] for _ in range(n_rows)]

    return pd.DataFrame({ID: np.arange(n_rows), "prompt": write(), "response_a": write(), "response_b": write()})


def test_train_fits_the_vectorizer_that_test_reads():
    train, test = create_pipeline("train"), create_pipeline("test")
    assert train.inputs() == {"train.battles", "params:features.text", "params:features.vectorizer", "params:seed"}
    assert train.all_outputs() == {"train.text_features", "train.latent_features", "text_vectorizer"}
    assert test.inputs() == {"test.battles", "text_vectorizer", "params:features.text"}
    assert test.all_outputs() == {"test.text_features", "test.latent_features"}


def test_both_splits_give_the_same_columns(parameters):
    features = {
        "features.text": TextFeatureOptions(**parameters["text"]),
        "features.vectorizer": TextVectorizerOptions(**{**parameters["vectorizer"], "max_text_share": 1.0}),
    }
    inputs = {"train.battles": make_battles(40), "test.battles": make_battles(3), "params:seed": 0}
    inputs |= {f"params:{name}": options for name, options in features.items()}
    catalog = DataCatalog({name: MemoryDataset(value, copy_mode="assign") for name, value in inputs.items()})
    outputs = SequentialRunner().run(create_pipeline("train") + create_pipeline("test"), catalog)
    tables = {name: output.load() for name, output in outputs.items()}
    for kind in ("text_features", "latent_features"):
        Features.validate(tables[f"test.{kind}"])
        assert tables[f"train.{kind}"].columns.equals(tables[f"test.{kind}"].columns)
        assert len(tables[f"test.{kind}"]) == 3


def test_every_option_has_its_value_in_the_base_configuration_and_nothing_else(parameters):
    assert set(parameters) == {"text", "vectorizer"}
    TextFeatureOptions(**parameters["text"])
    TextVectorizerOptions(**parameters["vectorizer"])
