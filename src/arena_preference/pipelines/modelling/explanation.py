"""Explanation: what each feature adds to the logits of a battle."""

import numpy as np
import pandas as pd
from catboost import CatBoost, Pool

from arena_preference.battles import PREFERS_A, PREFERS_B, TIE, FloatArray
from arena_preference.symmetry import swap_features

from .linear_model import Arrays, explain_linear_logits


def explain_logits(
    preference_model: CatBoost, linear_model: Arrays, features: pd.DataFrame
) -> tuple[FloatArray, FloatArray]:
    """Split the logits of battles into the contributions of the features of the linear model.

    A contribution is the feature's term in the linear model, and its SHAP value (Lundberg et al., 2018) in CatBoost,
    averaged over both orders.

    Returns:
        The contributions to the logit of A minus that of B, and to the logit of a tie minus the mean of these two; both
        of shape (n, features), in the order of the columns. Rows of the first sum to that difference, rows of the
        second to that difference less its mean.
    """
    margins, ties = explain_linear_logits(features, linear_model)
    # The linear model reads all features, CatBoost some of them.
    columns = preference_model.feature_names_
    read = features.columns.get_indexer(columns)
    # CatBoost up to 1.2 ignores the scale in SHAP values, or rejects a model that has one (its issue 2389).
    unscaled = preference_model.copy()
    scale, bias = unscaled.get_scale_and_bias()
    unscaled.set_scale_and_bias(1.0, [0.0] * len(np.atleast_1d(bias)))
    original, swapped = (
        scale * np.asarray(unscaled.get_feature_importance(Pool(table[columns]), type="ShapValues"))[..., :-1]
        for table in (features, swap_features(features))
    )
    a, b, tie = (original[:, label] for label in (PREFERS_A, PREFERS_B, TIE))
    # In the swapped order, A is called B.
    swapped_b, swapped_a, swapped_tie = (swapped[:, label] for label in (PREFERS_A, PREFERS_B, TIE))
    margins[:, read] += ((a - b) + (swapped_a - swapped_b)) / 2
    ties[:, read] += ((tie - (a + b) / 2) + (swapped_tie - (swapped_a + swapped_b) / 2)) / 2
    return margins, ties
