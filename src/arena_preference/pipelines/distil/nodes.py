"""Nodes of the pipeline ``distil``."""

import logging
from typing import Any

import pandas as pd
from catboost import CatBoost
from scipy.special import softmax

from arena_preference.battles import ID, LABEL_COLUMNS, has_values
from arena_preference.pipelines.modelling.boosting import predict_logits
from arena_preference.pipelines.modelling.calibration import read_logits, set_tie_prior
from arena_preference.pipelines.modelling.fitting import join_tables, select_fold_model
from arena_preference.pipelines.modelling.linear_model import Arrays, predict_linear_logits

logger = logging.getLogger(__name__)


def label_battles(
    model_input: pd.DataFrame,
    cross_encoder_fold_logits: pd.DataFrame,
    linear_model: Arrays,
    preference_model: CatBoost,
    calibration: dict[str, Any],
) -> pd.DataFrame:
    """Soft labels of unlabelled battles, for each fold by the models of the teacher that have seen no vote of it.

    The temperature is left out, since it was fitted to predictions by models that have seen the votes of the fold. The
    one weight of the cross encoders, where there are any, was so, too.

    Returns:
        One row per fold and battle: id, fold and the three probabilities.

    Raises:
        ValueError: If the tables describe different battles, or come from different runs.
    """
    tie_prior = None if calibration["tie_prior"] is None else 0.0
    tables = []
    for name, fitted in calibration["folds"].items():
        fold = int(name)
        linear_logits = predict_linear_logits(model_input, linear_model, fold)
        features = join_tables(model_input, linear_logits, "linear_logits")
        logits = predict_logits(select_fold_model(preference_model, fold), features)
        if has_values(cross_encoder_fold_logits):
            of_fold = cross_encoder_fold_logits[cross_encoder_fold_logits["fold"] == fold]
            logits += fitted["temperature"] * fitted["cross_encoder_weight"] * read_logits(of_fold, model_input[ID])
        probabilities = set_tie_prior(softmax(logits, axis=1), tie_prior)
        table = pd.DataFrame(probabilities, columns=list(LABEL_COLUMNS))
        table.insert(0, ID, model_input[ID].to_numpy())
        table.insert(1, "fold", fold)
        tables.append(table)
    logger.info("%d battles have soft labels for each of %d folds", len(model_input), len(tables))
    return pd.concat(tables, ignore_index=True)
