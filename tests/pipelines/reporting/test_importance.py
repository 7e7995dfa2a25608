import numpy as np
import pandas as pd
import pytest

from arena_preference.battles import ID
from arena_preference.pipelines.modelling.explanation import explain_logits
from arena_preference.pipelines.reporting.importance import rank_features

from .conftest import Run


def test_features_are_ranked_by_what_they_add_to_the_logits_and_know_their_group(run: Run) -> None:
    battles = run.model_input[:200]
    ranking = rank_features(battles, run.preference_model, run.linear_model, run.feature_groups)
    assert ranking["importance"].sum() == pytest.approx(100)
    assert ranking["importance"].is_monotonic_decreasing
    features = battles.drop(columns=ID)
    sizes = sum(np.abs(part).mean(axis=0) for part in explain_logits(run.preference_model, run.linear_model, features))
    expected = dict(zip(features, 100 * sizes / sizes.sum(), strict=True))
    assert dict(zip(ranking["feature"], ranking["importance"], strict=True)) == pytest.approx(expected)
    assert ranking.groupby("group").size().to_dict() == {"text": 8, "LSA": 2}
    assert set(ranking["feature"][:2]) == {"characters__reldiff", "lsa_000__diff"}
    assert ranking.set_index("feature")["importance"][["headers__reldiff", "kind_maths__prompt"]].eq(0).all()


def test_many_battles_are_ranked_by_200_of_them_at_most_spread_evenly(run: Run) -> None:
    many = run.model_input.iloc[np.arange(1000) % 240]
    ranking, few = (
        rank_features(battles, run.preference_model, run.linear_model, run.feature_groups)
        for battles in (many, many.iloc[::5])
    )
    pd.testing.assert_frame_equal(ranking, few)
