"""Node of the pipeline ``reporting`` that ranks the features."""

import pandas as pd
from catboost import CatBoost


def rank_features(preference_model: CatBoost, feature_groups: dict[str, list[str]]) -> pd.DataFrame:
    """Rank the features by how much they change the model's scores.

    Returns:
        By descending importance: ``feature``, ``group`` and ``importance``, CatBoost's ``PredictionValuesChange`` in
        percent, which sums to 100.
    """
    groups = {name: group for group, members in feature_groups.items() for name in members}
    names = list(preference_model.feature_names_)
    ranking = pd.DataFrame(
        {
            "feature": names,
            "group": [groups[name] for name in names],
            "importance": preference_model.get_feature_importance(),
        }
    )
    return ranking.sort_values("importance", ascending=False, kind="stable", ignore_index=True)
