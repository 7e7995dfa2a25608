import json

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from arena_preference.battles import LABEL_COLUMNS, MODEL_COLUMNS, TEXT_COLUMNS
from arena_preference.pipelines.simulation.config import SimulationConfig
from arena_preference.pipelines.simulation.nodes import (
    simulate_test_battles,
    simulate_train_battles,
    summarise_simulation,
)
from arena_preference.pipelines.simulation.texts import load_texts


def test_train_has_the_competitions_schema(smallest_config):
    battles, truth = simulate_train_battles(smallest_config, 0)
    assert list(battles.columns) == ["id", *MODEL_COLUMNS, *TEXT_COLUMNS, *LABEL_COLUMNS]
    assert battles["id"].dtype == np.int64
    assert (battles[list(LABEL_COLUMNS)].sum(axis=1) == 1).all()
    np.testing.assert_array_equal(battles[list(LABEL_COLUMNS)].to_numpy().argmax(axis=1), truth["label"])
    assert (battles["model_a"] != battles["model_b"]).all()


def test_test_has_neither_models_nor_labels(smallest_config):
    battles, truth = simulate_test_battles(smallest_config, 0)
    assert list(battles.columns) == ["id", *TEXT_COLUMNS]
    assert list(truth.columns) == ["id", *LABEL_COLUMNS, "label"]
    np.testing.assert_array_equal(battles["id"], truth["id"])


def test_every_text_cell_is_a_json_list_of_turns_in_ascii(large_simulation):
    for name in TEXT_COLUMNS:
        for cell in large_simulation.battles[name].head(2_000):
            assert cell.isascii()
            turns = json.loads(cell)
            assert json.dumps(turns) == cell
            assert all(turn is None or isinstance(turn, str) for turn in turns)


def test_prompt_and_both_responses_have_equally_many_turns(large_simulation):
    for prompt, a, b in large_simulation.turns:
        assert len(prompt) == len(a) == len(b)


def test_ids_are_distinct_across_splits_and_exceed_31_bits(smallest_config):
    train, _ = simulate_train_battles(smallest_config, 0)
    test, _ = simulate_test_battles(smallest_config, 0)
    ids = pd.concat([train["id"], test["id"]])
    assert ids.is_unique
    assert (ids > 2**31).any()
    assert ids.between(0, 2**32 - 1).all()


@pytest.mark.parametrize("simulate", [simulate_train_battles, simulate_test_battles])
def test_the_same_seed_returns_the_same_tables_and_another_seed_others(simulate, smallest_config):
    first, again, other = (simulate(smallest_config, seed) for seed in (3, 3, 4))
    for one, two in zip(first, again, strict=True):
        pd.testing.assert_frame_equal(one, two)
    assert (first[0]["response_a"] != other[0]["response_a"]).mean() > 0.9


def test_the_size_of_train_changes_nothing_in_test(smallest_config):
    longer = smallest_config.model_copy(update={"battles": 80})
    for one, two in zip(simulate_test_battles(smallest_config, 0), simulate_test_battles(longer, 0), strict=True):
        pd.testing.assert_frame_equal(one, two)


def test_train_and_test_share_no_battle(smallest_config):
    train, _ = simulate_train_battles(smallest_config, 0)
    test, _ = simulate_test_battles(smallest_config, 0)
    texts = [set(zip(*(split[name] for name in TEXT_COLUMNS), strict=True)) for split in (train, test)]
    assert not texts[0] & texts[1]


def test_all_models_take_part(large_simulation):
    assert set(large_simulation.battles["model_a"]) == {model.name for model in load_texts().models}


def test_the_summary_orders_bayes_optimum_below_length_baseline_below_chance(large_simulation, default_config):
    battles, truth = large_simulation.battles, large_simulation.truth
    summary = summarise_simulation(battles, truth, battles[:5_000], truth[:5_000], default_config, 11)
    assert summary["seed"] == 11
    assert summary["train"]["battles"] == 20_000
    for split in ("train", "test"):
        report = summary[split]
        assert 0.88 < report["bayes_optimal_log_loss"] < 0.96
        assert report["bayes_optimal_log_loss"] + 0.1 < report["length_baseline_log_loss"] < np.log(3)


@pytest.mark.parametrize("change", [{"battles": 10}, {"noise": -1.0}, {"unknown": 1}])
def test_parameters_out_of_bounds_are_rejected(default_config, change):
    with pytest.raises(ValidationError):
        SimulationConfig(**{**default_config.model_dump(), **change})
