"""Wiring and parameters of the pipeline ``features``."""

from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from pydantic import BaseModel, ValidationError

from arena_preference.battles import ID
from arena_preference.pipelines.features import create_pipeline
from arena_preference.pipelines.features.config import (
    CharLsaConfig,
    RelevanceConfig,
    TextFeatureConfig,
    WordTfidfConfig,
)
from arena_preference.pipelines.features.quantities import SIDE_COUNTS, SIDE_RATIOS
from arena_preference.symmetry import Features, is_antisymmetric

from .conftest import make_battles

PARAMETERS: Final = Path(__file__).parents[3] / "conf" / "base" / "parameters_features.yml"
CONFIGS: Final = {
    "text": TextFeatureConfig,
    "char_lsa": CharLsaConfig,
    "word_tfidf": WordTfidfConfig,
    "relevance": RelevanceConfig,
}
TABLES: Final = ("text_features", "lsa_features", "relevance_features", "consensus_features")


@pytest.fixture(scope="module")
def parameters() -> dict[str, dict[str, Any]]:
    return yaml.safe_load(PARAMETERS.read_text(encoding="utf-8"))["features"]


@pytest.fixture(scope="module")
def configs(parameters: dict[str, dict[str, Any]]) -> dict[str, BaseModel]:
    assert set(parameters) == set(CONFIGS)
    return {name: config(**parameters[name]) for name, config in CONFIGS.items()}


@pytest.fixture(scope="module")
def outputs(configs: dict[str, BaseModel]) -> dict[str, Any]:
    """Datasets of a run with the parameters of the base environment, on 40 training and 3 test battles."""
    rng = np.random.default_rng(0)
    words = np.array(["tea", "cup", "leaf", "hot", "code", "loop", "array", "bug"])

    def write() -> list[str]:
        return [" ".join(rng.choice(words, 6))]

    train, test = (make_battles([(write(), write(), write()) for _ in range(n)]) for n in (40, 3))
    inputs = {"train_battles": train, "train_sampled_battles": train, "test_battles": test, "params:seed": 0}
    inputs |= {f"params:features.{name}": config for name, config in configs.items()}
    # With so few words, most n-grams are in most texts.
    inputs["params:features.char_lsa"] = configs["char_lsa"].model_copy(update={"max_df": 1.0})
    catalog = DataCatalog({name: MemoryDataset(value, copy_mode="assign") for name, value in inputs.items()})
    return {name: output.load() for name, output in SequentialRunner().run(create_pipeline(), catalog).items()}


def test_the_test_split_needs_only_what_the_train_split_fits():
    train, test = create_pipeline(["train"]), create_pipeline(["test"])
    assert test.inputs() <= {"test_battles", "params:features.text"} | train.all_outputs()


def test_both_splits_yield_the_same_columns(outputs):
    for table in TABLES:
        train, test = (Features.validate(outputs[f"{split}_{table}"]) for split in ("train", "test"))
        assert (len(train), len(test)) == (40, 3)
        assert train.columns.equals(test.columns)


def test_every_quantity_of_a_side_has_one_antisymmetric_feature(outputs):
    features: pd.DataFrame = outputs["train_text_features"]
    quantities = Counter(name.rpartition("__")[0] for name in features.columns.drop(ID) if is_antisymmetric(name))
    assert set(quantities) == set(SIDE_COUNTS) | set(SIDE_RATIOS)
    assert set(quantities.values()) == {1}


@pytest.mark.parametrize("name", CONFIGS)
def test_an_unknown_parameter_is_named(name, parameters):
    with pytest.raises(ValidationError, match="no_such_parameter"):
        CONFIGS[name](**parameters[name], no_such_parameter=1)


def test_an_ngram_range_ascends(parameters):
    with pytest.raises(ValidationError, match=r"ngram_range \[3, 2\]"):
        CharLsaConfig(**{**parameters["char_lsa"], "ngram_range": [3, 2]})
