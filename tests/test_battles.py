import numpy as np
import pandas as pd
import pandera.errors
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena_preference.battles import Battles, Predictions, normalise_prompt, prompt_group
from arena_preference.symmetry import (
    Features,
    is_antisymmetric,
    swap_battles,
    swap_features,
    swap_labels,
    swap_probabilities,
)


@given(st.text())
def test_prompt_group_ignores_case_of_ascii_and_spacing(prompt: str) -> None:
    spaced = "  " + "\n ".join(prompt.split()) + "\t"
    assert prompt_group([spaced]) == prompt_group([prompt])
    capitals = "".join(letter.upper() if letter.isascii() else letter for letter in prompt)
    assert prompt_group([capitals]) == prompt_group([prompt])


def test_prompt_group_tells_different_prompts_apart_and_ignores_later_turns() -> None:
    assert prompt_group(["Why?"]) == prompt_group(["why?", "And then?"])
    assert prompt_group(["Why?"]) != prompt_group(["Why not?"])


def test_prompt_group_takes_a_missing_prompt_as_empty() -> None:
    assert prompt_group([]) == prompt_group([None]) == prompt_group([""]) == prompt_group(["  "])


def test_prompt_group_is_the_same_on_every_machine() -> None:
    assert prompt_group(["What is a fold?"]) == "65a10e4cedfcfefb"


def test_normalise_prompt_lowers_and_collapses() -> None:
    assert normalise_prompt(" A\n  B ") == "a b"
    assert normalise_prompt(None) == ""


def test_swapping_labels_exchanges_a_and_b_and_keeps_ties() -> None:
    assert swap_labels(np.array([0, 1, 2, 0])).tolist() == [1, 0, 2, 1]


def test_swapping_probabilities_exchanges_their_columns() -> None:
    assert swap_probabilities(np.array([[0.5, 0.3, 0.2]])).tolist() == [[0.3, 0.5, 0.2]]


def test_swapping_features_negates_antisymmetric_ones_only() -> None:
    features = pd.DataFrame({"x__diff": [2.0], "x__sum": [2.0], "x__share": [0.5]}, dtype="float32")
    swapped = swap_features(features)
    assert swapped.iloc[0].tolist() == [-2.0, 2.0, -0.5]
    assert (swapped.dtypes == "float32").all()


def test_swapping_battles_twice_gives_them_back(battles: pd.DataFrame) -> None:
    swapped = swap_battles(battles)
    assert (swapped["response_a"] == battles["response_b"]).all()
    assert (swapped["label"] == 0).sum() == (battles["label"] == 1).sum()
    pd.testing.assert_frame_equal(swap_battles(swapped), battles)


@pytest.mark.parametrize("name", ["characters", "characters__", "characters__double", "diff"])
def test_a_feature_without_a_known_form_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="does not say what a swap does to it"):
        is_antisymmetric(name)


def test_battles_schema_accepts_battles_with_and_without_label(battles: pd.DataFrame) -> None:
    Battles.validate(battles)
    Battles.validate(battles.drop(columns="label"))


@pytest.mark.parametrize(
    ("column", "value"), [("label", 3), ("prompt", "not a list"), ("id", 2**32 + 7), ("prompt_group", None)]
)
def test_battles_schema_refuses_what_is_no_battle(battles: pd.DataFrame, column: str, value: object) -> None:
    battles[column] = [value, *battles[column][1:]]
    with pytest.raises((pandera.errors.SchemaError, pandera.errors.SchemaErrors)):
        Battles.validate(battles)


def test_features_schema_refuses_a_column_of_unknown_form() -> None:
    with pytest.raises((pandera.errors.SchemaError, ValueError)):
        Features.validate(pd.DataFrame({"id": [1], "x__double": np.ones(1, dtype="float32")}))


def test_predictions_schema_refuses_rows_that_do_not_sum_to_one() -> None:
    rows = {"id": [1], "winner_model_a": [0.5], "winner_model_b": [0.3], "winner_tie": [0.3]}
    with pytest.raises(pandera.errors.SchemaError, match="sum to 1"):
        Predictions.validate(pd.DataFrame(rows))
