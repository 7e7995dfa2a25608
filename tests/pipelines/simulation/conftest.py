"""A simulation of the default law, large enough for its figures to settle, and one of the smallest size."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import yaml

from arena_preference.battles import LABEL_COLUMNS
from arena_preference.pipelines.simulation.nodes import simulate_test_battles, simulate_train_battles
from arena_preference.pipelines.simulation.options import SimulationOptions

ROOT = Path(__file__).parents[3]
SEED = 11


class Simulation(NamedTuple):
    """A train split as its file has it, and parsed."""

    battles: pd.DataFrame
    truth: pd.DataFrame
    prompts: list
    answers: tuple

    @property
    def probabilities(self):
        return self.truth[list(LABEL_COLUMNS)].to_numpy()

    @property
    def labels(self):
        return self.truth["label"].to_numpy()

    @property
    def lengths(self):
        sides = [[sum(len(turn or "") for turn in turns) for turns in side] for side in self.answers]
        return np.array(sides, dtype=float).T


def parse(battles, truth):
    prompts, *answers = ([json.loads(cell) for cell in battles[f]] for f in ("prompt", "response_a", "response_b"))
    return Simulation(battles, truth, prompts, tuple(answers))


@pytest.fixture(scope="session")
def default_options():
    text = (ROOT / "conf/base/parameters_simulation.yml").read_text(encoding="utf-8")
    return SimulationOptions(**yaml.safe_load(text)["simulation"])


@pytest.fixture(scope="session")
def large_simulation(default_options):
    return parse(*simulate_train_battles(default_options.model_copy(update={"battles": 20_000}), SEED))


@pytest.fixture(scope="session")
def smallest_options(default_options):
    return default_options.model_copy(update={"battles": 50, "test_battles": 50})


@pytest.fixture(scope="session", params=["train", "test"])
def smallest_split(request, smallest_options):
    simulate = simulate_train_battles if request.param == "train" else simulate_test_battles
    return parse(*simulate(smallest_options, SEED))
