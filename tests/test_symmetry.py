import re

import numpy as np
import pandas as pd
import pandera.errors
import pytest

from arena_preference.symmetry import (
    Features,
    is_antisymmetric,
    swap_battles,
    swap_features,
    swap_labels,
    swap_probabilities,
)


def test_swapping_labels_exchanges_a_and_b_and_keeps_ties() -> None:
    assert swap_labels(np.array([0, 1, 2, 0])).tolist() == [1, 0, 2, 1]


def test_swapping_probabilities_exchanges_their_columns() -> None:
    assert swap_probabilities(np.array([[0.5, 0.3, 0.2]])).tolist() == [[0.3, 0.5, 0.2]]


def test_swapping_features_negates_antisymmetric_ones_only() -> None:
    features = pd.DataFrame({"x__diff": [2.0], "x__sum": [2.0], "x__reldiff": [0.5]}, dtype="float32")
    swapped = swap_features(features)
    assert swapped.iloc[0].tolist() == [-2.0, 2.0, -0.5]
    assert (swapped.dtypes == "float32").all()


def test_swapping_battles_twice_returns_them(battles: pd.DataFrame) -> None:
    swapped = swap_battles(battles)
    assert (swapped["response_a"] == battles["response_b"]).all()
    assert (swapped["label"] == 0).sum() == (battles["label"] == 1).sum()
    pd.testing.assert_frame_equal(swap_battles(swapped), battles)


@pytest.mark.parametrize("name", ["characters", "characters__", "characters__double", "diff"])
def test_a_feature_without_a_known_form_is_rejected(name: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(name))):
        is_antisymmetric(name)


def test_features_schema_rejects_a_column_of_unknown_form() -> None:
    with pytest.raises((pandera.errors.SchemaError, ValueError)):
        Features.validate(pd.DataFrame({"id": [1], "x__double": np.ones(1, dtype="float32")}))


def test_swapping_battles_swaps_their_soft_labels(battles: pd.DataFrame) -> None:
    soft = battles.assign(label_winner_model_a=0.6, label_winner_model_b=0.3, label_winner_tie=0.1)
    row = swap_battles(soft).iloc[0]
    assert row[["label_winner_model_a", "label_winner_model_b", "label_winner_tie"]].tolist() == [0.3, 0.6, 0.1]
