import pytest

from arena_preference.pipelines.reporting.importance import rank_features

from .conftest import Run


def test_features_are_ranked_by_their_importance_and_know_their_group(run: Run) -> None:
    ranking = rank_features(run.preference_model, run.feature_groups)
    assert ranking["importance"].sum() == pytest.approx(100)
    assert ranking["importance"].is_monotonic_decreasing
    importances = dict(
        zip(run.preference_model.feature_names_, run.preference_model.get_feature_importance(), strict=True)
    )
    assert dict(zip(ranking["feature"], ranking["importance"], strict=True)) == pytest.approx(importances)
    assert ranking.groupby("group").size().to_dict() == {"text": 8, "bag of words": 2}
