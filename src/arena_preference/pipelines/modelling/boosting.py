"""CatBoost on both orders of every battle: fitting and predicting."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from catboost import CatBoost, CatBoostClassifier, CatBoostError, Pool

from arena_preference.battles import CONSENSUS, FloatArray
from arena_preference.symmetry import swap_features, swap_labels, swap_probabilities

from .config import ModellingConfig

# With fewer battles a GPU is no faster than 16 cores, and its models, which know no rsm, are worse.
_FEWEST_FOR_GPU: Final = 20_000


def fit_catboost(
    features: pd.DataFrame, labels: npt.NDArray[np.integer[Any]], options: ModellingConfig, seed: int
) -> CatBoostClassifier:
    """Fit a three-class model on every battle in both orders.

    Args:
        features: One row per battle, columns ``<quantity>__<form>``.
        labels: Shape (n,).
        options: Parameters ``modelling``.
        seed: Of CatBoost's own draws, and of the battles whose other answers are hidden.

    Returns:
        The fitted model.

    Raises:
        RuntimeError: If a GPU was asked for and CatBoost cannot compute on one.
    """
    settings = options.catboost.model_dump()
    if settings["task_type"] == "auto":
        settings["task_type"] = "GPU" if len(features) >= _FEWEST_FOR_GPU and _is_gpu_there() else "CPU"
    if settings["task_type"] == "GPU":
        # CatBoost draws features for each split on the CPU alone.
        del settings["rsm"]
    model = CatBoostClassifier(
        loss_function="MultiClass", random_seed=seed, allow_writing_files=False, verbose=False, **settings
    )
    features = _hide_consensus(features, options.consensus_dropout, seed)
    both_orders = pd.concat([features, swap_features(features)], ignore_index=True)
    pool = Pool(both_orders, np.concatenate([labels, swap_labels(labels)]))
    try:
        return model.fit(pool)
    except CatBoostError as reason:
        if settings["task_type"] == "CPU":
            raise
        raise RuntimeError(
            f"CatBoost was to compute on a GPU and could not ({reason}). Look whether nvidia-smi shows one with memory "
            "to spare, or set modelling.catboost.task_type to CPU."
        ) from reason


def _is_gpu_there() -> bool:
    # PyTorch, because CatBoost's own question writes to the console. It takes seconds to import.
    from arena_preference.device import select_devices

    return select_devices("auto")[0].type == "cuda"


def _hide_consensus(features: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """Let some battles look as though theirs were the only answers to their prompt.

    A model whose training battles all had other answers would be lost without: on 4,000 battles, its log loss on lone
    ones was 0.887, against 0.853 of a model that never looks at other answers, and 0.855 if it had to do without for
    two battles in ten.
    """
    hidden = np.random.default_rng(seed).random(len(features)) < share
    columns = [name for name in features if name.startswith(CONSENSUS)]
    return features.assign(**{name: features[name].where(~hidden, np.float32(0)) for name in columns})


def predict_both_orders(model: CatBoost, features: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """Score battles as they are, and with their sides exchanged.

    Args:
        model: A CatBoost model with three classes.
        features: One row per battle; the model's features, in any order.

    Returns:
        Two tables of logits, shape (n, 3), in the order of ``LABEL_COLUMNS``; the second is exchanged back, so that in
        both the first column speaks for the side that is called A in ``features``.

    Raises:
        ValueError: If a feature that the model was fitted on is missing.
    """
    missing = [name for name in model.feature_names_ if name not in features]
    if missing:
        raise ValueError(
            f"{len(missing)} of the model's {len(model.feature_names_)} features are not here, the first: "
            f"{', '.join(missing[:3])}. The model was fitted with other parameters: fit it again, or use its own."
        )
    features = features[model.feature_names_]
    in_order = model.predict(Pool(features), prediction_type="RawFormulaVal")
    swapped = model.predict(Pool(swap_features(features)), prediction_type="RawFormulaVal")
    return in_order, swap_probabilities(swapped)


def predict_logits(model: CatBoost, features: pd.DataFrame) -> FloatArray:
    """Score battles in both orders and average, so that the order of the answers cannot matter.

    The two orders are the same two numbers for a swapped battle, exchanged, hence the equivariance is exact.

    Args:
        model: A CatBoost model with three classes.
        features: One row per battle; the model's features, in any order.

    Returns:
        Logits, shape (n, 3), in the order of ``LABEL_COLUMNS``.

    Raises:
        ValueError: If a feature that the model was fitted on is missing.
    """
    in_order, swapped = predict_both_orders(model, features)
    return (in_order + swapped) / 2
