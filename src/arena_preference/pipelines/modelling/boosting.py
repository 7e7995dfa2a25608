"""CatBoost on both orders of every battle, starting from the logits of the linear model."""

from typing import Any, Final

import numpy as np
import pandas as pd
from catboost import CatBoost, CatBoostClassifier, CatBoostError, Pool

from arena_preference.battles import N_CLASSES, PREFERS_A, PREFERS_B, TIE, FloatArray
from arena_preference.symmetry import list_swap_signs, swap_features, swap_labels, swap_probabilities
from arena_preference.targets import list_examples

from .config import ModellingConfig
from .linear_model import LINEAR_COLUMNS, SPACES

# With fewer battles a GPU is no faster than 16 cores, and its models, which cannot use rsm, are worse.
_MIN_BATTLES_FOR_GPU: Final = 20_000


def fit_catboost(features: pd.DataFrame, votes: FloatArray, config: ModellingConfig, seed: int) -> CatBoostClassifier:
    """Fit a three-class model on every battle in both orders, to what the linear model leaves over.

    ``features`` has the logits of the linear model in ``LINEAR_COLUMNS``. CatBoost has no soft labels: a battle is
    fitted once per class with ``votes``, shape (n, 3), weighted by them.

    Raises:
        RuntimeError: If a GPU was requested and CatBoost cannot use one.
    """
    settings = choose_settings(config, len(features))
    model = CatBoostClassifier(
        loss_function="MultiClass", random_seed=seed, allow_writing_files=False, verbose=False, **settings
    )
    rows, label, weights = list_examples(votes)
    if TIE not in label:
        # CatBoost has logits for the classes that it has seen. A tie without weight adds its own and changes nothing.
        weights = np.append(np.ones(len(rows)) if weights is None else weights, 0.0)
        rows, label = np.append(rows, 0), np.append(label, TIE)
    examples = features.iloc[rows]
    both_orders = pd.concat([examples, swap_features(examples)], ignore_index=True)
    weights = None if weights is None else np.tile(weights, 2)
    pool = Pool(
        both_orders[list_tree_features(features)],
        np.concatenate([label, swap_labels(label)]),
        weight=weights,
        baseline=read_linear_logits(both_orders),
    )
    try:
        return model.fit(pool)
    except CatBoostError as reason:
        if settings["task_type"] == "CPU":
            raise
        raise RuntimeError(
            f"CatBoost cannot use a GPU ({reason}). Check with nvidia-smi that one is visible and has free memory, or "
            "set modelling.catboost.task_type to CPU."
        ) from reason


def list_tree_features(features: pd.DataFrame) -> list[str]:
    """Return the features that CatBoost reads: all but the linear model's logits and the coordinates of its spaces.

    A single coordinate means little, so that trees on them follow noise.
    """
    is_left_out = features.columns.str.fullmatch("|".join(SPACES)) | features.columns.isin(LINEAR_COLUMNS)
    return features.columns[~is_left_out].to_list()


def choose_settings(config: ModellingConfig, battles: int) -> dict[str, Any]:
    """Return CatBoost's arguments for so many battles, with ``task_type`` and ``l2_leaf_reg`` resolved."""
    settings = config.catboost.model_dump()
    settings["l2_leaf_reg"] = max(settings["l2_leaf_reg"], config.shrinkage / battles)
    if settings["task_type"] == "auto":
        settings["task_type"] = "GPU" if battles >= _MIN_BATTLES_FOR_GPU and _has_cuda() else "CPU"
    if settings["task_type"] == "GPU":
        # CatBoost supports rsm on the CPU only.
        del settings["rsm"]
    return settings


def predict_both_orders(model: CatBoost, features: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """Return the logits of battles in their original and in their swapped order, those of the linear model included.

    Returns:
        Two arrays of shape (n, 3). In the second, A and B are exchanged back, so that the first column of both is the
        side called A in ``features``.

    Raises:
        ValueError: If a feature that the model was fitted on is missing.
    """
    names, known = model.feature_names_, set(features)
    missing = [name for name in (*names, *LINEAR_COLUMNS) if name not in known]
    if missing:
        raise ValueError(
            f"{len(missing)} of the model's {len(names)} features are missing, the first: "
            f"{', '.join(missing[:3])}, so it was fitted with other parameters of features or embedding. Use the same, "
            "or run the pipeline modelling again."
        )
    # CatBoost reads a DataFrame column by column, which takes longer than to predict one battle.
    original = features[names].to_numpy(dtype=np.float32)
    swapped = original * list_swap_signs(names)
    pools = (Pool(values, feature_names=names) for values in (original, swapped))
    of_original, of_swapped = (model.predict(pool, prediction_type="RawFormulaVal") for pool in pools)
    # A swap exchanges the logits of the linear model exactly.
    linear = read_linear_logits(features)
    return linear + of_original, linear + swap_probabilities(of_swapped)


def predict_logits(model: CatBoost, features: pd.DataFrame) -> FloatArray:
    """Return the mean logits of both orders, shape (n, 3), which a swap of the sides exchanges exactly."""
    original, swapped = predict_both_orders(model, features)
    return (original + swapped) / 2


def _has_cuda() -> bool:
    # PyTorch, which takes seconds to import, because CatBoost's own check writes to the console.
    from arena_preference.device import select_devices

    return select_devices("auto")[0].type == "cuda"


def read_linear_logits(features: pd.DataFrame) -> FloatArray:
    """Return the logits of the linear model, shape (n, 3), from the columns ``LINEAR_COLUMNS``."""
    margin, tie = features[list(LINEAR_COLUMNS)].to_numpy(dtype=float).T
    logits = np.empty((len(features), N_CLASSES))
    logits[:, PREFERS_A], logits[:, PREFERS_B], logits[:, TIE] = margin / 2, -margin / 2, tie
    return logits
