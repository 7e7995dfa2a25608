"""Two simulations with the default parameters: one whose statistics have settled, and one of the minimum size."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import yaml

from arena_preference.battles import LABEL_COLUMNS, TEXT_COLUMNS
from arena_preference.pipelines.simulation.config import SimulationConfig
from arena_preference.pipelines.simulation.nodes import simulate_test_battles, simulate_train_battles

PARAMETERS = Path(__file__).parents[3] / "conf/base/parameters_simulation.yml"
SEED = 11


class Simulation(NamedTuple):
    """One split: its tables, the turns of its text cells, and the characters of its responses, shape (n, 2)."""

    battles: pd.DataFrame
    truth: pd.DataFrame
    prompts: list
    responses: tuple
    lengths: np.ndarray

    @property
    def probabilities(self):
        return self.truth[list(LABEL_COLUMNS)].to_numpy()

    @property
    def labels(self):
        return self.truth["label"].to_numpy()

    @property
    def turns(self):
        return zip(self.prompts, *self.responses, strict=True)


def parse(battles, truth):
    prompts, *responses = ([json.loads(cell) for cell in battles[field]] for field in TEXT_COLUMNS)
    lengths = [[sum(len(turn or "") for turn in turns) for turns in side] for side in responses]
    return Simulation(battles, truth, prompts, tuple(responses), np.array(lengths, dtype=float).T)


@pytest.fixture(scope="session")
def default_config():
    return SimulationConfig(**yaml.safe_load(PARAMETERS.read_text(encoding="utf-8"))["simulation"])


@pytest.fixture(scope="session")
def large_simulation(default_config):
    return parse(*simulate_train_battles(default_config.model_copy(update={"battles": 20_000}), SEED))


@pytest.fixture(scope="session")
def smallest_config(default_config):
    return default_config.model_copy(update={"battles": 50, "test_battles": 50})


@pytest.fixture(scope="session", params=[simulate_train_battles, simulate_test_battles])
def smallest_split(request, smallest_config):
    return parse(*request.param(smallest_config, SEED))
