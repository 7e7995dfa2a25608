"""Nodes of the pipeline ``student``."""

from typing import Any

import pandas as pd
from catboost import CatBoost

from arena_preference.battles import ID, LABEL_COLUMNS, align_rows
from arena_preference.pipelines.modelling.config import ModellingConfig
from arena_preference.pipelines.modelling.fitting import fit_preference_model
from arena_preference.pipelines.modelling.linear_model import Arrays, predict_linear_logits
from arena_preference.targets import SOFT_LABELS

from .config import StudentConfig


def leave_out_cross_encoders(
    train_battles: pd.DataFrame, test_battles: pd.DataFrame
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """The outputs of the pipeline finetuning where it is switched off: a student has no cross encoders."""
    return {}, train_battles[[ID]], test_battles[[ID]]


def join_soft_labels(
    model_input: pd.DataFrame,
    linear_model: Arrays,
    soft_labels: pd.DataFrame,
    config: StudentConfig,
) -> pd.DataFrame:
    """The unlabelled battles as ``fit_fold_models`` learns from them.

    Returns:
        One row per battle: id and features; and for each fold k the logits ``linear_side__diff_<k>`` and
        ``linear_tie__pair_<k>`` and the weighted probabilities ``label_<class>_<k>``.

    Raises:
        ValueError: If the tables describe different battles.
    """
    tables = [model_input.reset_index(drop=True)]
    for fold, of_fold in soft_labels.groupby("fold"):
        linear_logits = align_rows(
            predict_linear_logits(model_input, linear_model, fold), model_input[ID], "linear_logits"
        )
        labels = align_rows(of_fold, model_input[ID], "soft_labels")[list(LABEL_COLUMNS)].set_axis(SOFT_LABELS, axis=1)
        tables += [
            linear_logits.drop(columns=ID).add_suffix(f"_{fold}"),
            (config.weight * labels).add_suffix(f"_{fold}"),
        ]
    return pd.concat(tables, axis=1)


def fit_student(
    model_input: pd.DataFrame,
    oof_linear_logits: pd.DataFrame,
    labels: pd.DataFrame,
    unlabelled: pd.DataFrame,
    modelling: ModellingConfig,
    seed: int,
) -> tuple[CatBoost, dict[str, Any], pd.DataFrame]:
    """Fit the preference model to the votes outside each fold and to the soft labels for that fold.

    Results are those of ``fit_preference_model``. Calibration and out-of-fold logits are of the battles with votes.
    """
    no_cross_encoder = labels[[ID]]
    return fit_preference_model(model_input, oof_linear_logits, no_cross_encoder, labels, modelling, seed, unlabelled)
