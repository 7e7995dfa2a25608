"""Node of the pipeline ``reporting`` that ranks the features by what they add to the logits."""

from typing import Final

import pandas as pd
from catboost import CatBoost

from arena_preference.battles import ID
from arena_preference.pipelines.modelling.explanation import explain_logits
from arena_preference.pipelines.modelling.linear_model import Arrays

# SHAP values of more would take long and change the ranks little.
_MAX_BATTLES: Final = 200


def rank_features(
    model_input: pd.DataFrame, preference_model: CatBoost, linear_model: Arrays, feature_groups: dict[str, list[str]]
) -> pd.DataFrame:
    """Rank the features of both models.

    Returns:
        By descending importance: ``feature``, ``group`` and ``importance``, the mean absolute contribution to the
        logits, of A against B and of a tie, in per cent of all features'; on 200 battles at most.
    """
    features = model_input.iloc[:: -(-len(model_input) // _MAX_BATTLES)].drop(columns=ID)
    margins, ties = explain_logits(preference_model, linear_model, features)
    sizes = abs(margins).mean(axis=0) + abs(ties).mean(axis=0)
    group_of = {feature: group for group, features in feature_groups.items() for feature in features}
    table = pd.DataFrame(
        {
            "feature": features.columns,
            "group": [group_of[name] for name in features],
            "importance": 100 * sizes / sizes.sum(),
        }
    )
    return table.sort_values("importance", ascending=False, kind="stable", ignore_index=True)
