"""How the pipeline ``features`` is wired and configured."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from arena_preference.battles import ID
from arena_preference.pipelines.features import create_pipeline
from arena_preference.pipelines.features.config import (
    CharLsaConfig,
    RelevanceConfig,
    TextFeatureConfig,
    WordTfidfConfig,
)
from arena_preference.pipelines.features.nodes import compute_text_features
from arena_preference.pipelines.features.quantities import SIDE_RATES, SIDE_SIZES
from arena_preference.symmetry import Features, is_antisymmetric

PARAMETERS = Path(__file__).parents[3] / "conf" / "base" / "parameters_features.yml"


@pytest.fixture
def parameters() -> dict[str, dict[str, object]]:
    return yaml.safe_load(PARAMETERS.read_text(encoding="utf-8"))["features"]


def make_battles(n_rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    words = np.array(["tea", "cup", "leaf", "hot", "code", "loop", "array", "bug"])

    def write() -> list[list[str]]:
        return [[" ".join(rng.choice(words, 6))] for _ in range(n_rows)]

    texts = {name: write() for name in ("prompt", "response_a", "response_b")}
    return pd.DataFrame({ID: np.arange(n_rows), **texts, "prompt_group": [str(row) for row in range(n_rows)]})


FITTED = {"char_lsa", "word_tfidf", "prompt_lsa", "prompt_word_regression"}
TABLES = ("text_features", "lsa_features", "relevance_features", "consensus_features")


def test_train_fits_what_test_reads():
    train, test = create_pipeline("train"), create_pipeline("test")
    parameters = {f"params:features.{name}" for name in ("text", "vectorizer", "words", "relevance")}
    parameters.add("params:seed")
    assert train.inputs() == {"train.battles", "train.sampled_battles", *parameters}
    assert train.all_outputs() == {*FITTED, *(f"train.{name}" for name in (*TABLES, "tfidf_differences"))}
    assert test.inputs() == {"test.battles", *FITTED, "params:features.text"}
    assert test.all_outputs() == {f"test.{name}" for name in (*TABLES, "tfidf_differences")}


def test_both_splits_give_the_same_columns(parameters):
    features = {
        "features.text": TextFeatureConfig(**parameters["text"]),
        "features.char_lsa": CharLsaConfig(**{**parameters["vectorizer"], "max_df": 1.0}),
        "features.word_tfidf": WordTfidfConfig(**parameters["words"]),
        "features.relevance": RelevanceConfig(**parameters["relevance"]),
    }
    inputs = {"train.battles": make_battles(40), "test.battles": make_battles(3), "params:seed": 0}
    inputs["train.sampled_battles"] = inputs["train.battles"]
    inputs |= {f"params:{name}": options for name, options in features.items()}
    catalog = DataCatalog({name: MemoryDataset(value, copy_mode="assign") for name, value in inputs.items()})
    outputs = SequentialRunner().run(create_pipeline("train") + create_pipeline("test"), catalog)
    tables = {name: output.load() for name, output in outputs.items()}
    for kind in TABLES:
        Features.validate(tables[f"test.{kind}"])
        assert tables[f"train.{kind}"].columns.equals(tables[f"test.{kind}"].columns)
        assert len(tables[f"test.{kind}"]) == 3
    train, test = (tables[f"{split}.tfidf_differences"] for split in ("train", "test"))
    assert (len(train), len(test)) == (40, 3)
    assert train["vocabulary"].unique() == test["vocabulary"].unique()


def test_every_quantity_of_a_side_has_one_antisymmetric_feature(parameters):
    features = compute_text_features(make_battles(2), TextFeatureConfig(**parameters["text"]))
    quantities = Counter(name.rpartition("__")[0] for name in features.columns.drop(ID) if is_antisymmetric(name))
    assert set(quantities) == set(SIDE_SIZES) | set(SIDE_RATES)
    assert set(quantities.values()) == {1}


def test_every_option_has_its_value_in_the_base_configuration_and_nothing_else(parameters):
    assert set(parameters) == {"text", "vectorizer", "words", "relevance"}
    TextFeatureConfig(**parameters["text"])
    CharLsaConfig(**parameters["vectorizer"])
    WordTfidfConfig(**parameters["words"])
    RelevanceConfig(**parameters["relevance"])
