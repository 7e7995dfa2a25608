"""Nodes of the pipeline ``modelling``."""

import logging
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from catboost import CatBoost, CatBoostClassifier, Pool, sum_models
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold

from arena_preference.battles import (
    ID,
    LABEL_COLUMNS,
    N_CLASSES,
    TEXT_COLUMNS,
    FloatArray,
    count_characters,
    length_features,
    swap_features,
    swap_labels,
    swap_probabilities,
)

from .options import ModellingOptions

logger = logging.getLogger(__name__)

LOGIT_COLUMNS = [f"logit_{name}" for name in LABEL_COLUMNS]
_CLASSES = list(range(N_CLASSES))


def join_features(
    text_features: pd.DataFrame,
    latent_features: pd.DataFrame,
    embedding_features: pd.DataFrame,
    reward_features: pd.DataFrame,
) -> pd.DataFrame:
    """Put the feature tables of one split side by side.

    Args:
        text_features: Schema ``Features``.
        latent_features: Schema ``Features``.
        embedding_features: Schema ``Features``.
        reward_features: Schema ``Features``.

    Returns:
        One row per battle in the order of ``text_features``: id and the columns of all four.

    Raises:
        ValueError: If the tables do not describe the same battles.
    """
    joined = text_features
    for table in (latent_features, embedding_features, reward_features):
        if set(table[ID]) != set(joined[ID]):
            raise ValueError(
                "The feature tables describe different battles, so they come from different runs. Run the feature "
                "pipelines again, or name the versions of one run with --load-versions."
            )
        joined = joined.merge(table, on=ID, validate="one_to_one")
    return joined


def assign_folds(battles: pd.DataFrame, options: ModellingOptions, seed: int) -> pd.DataFrame:
    """Draw stratified folds that never split a prompt group.

    Args:
        battles: Training battles, schema ``Battles`` with label.
        options: Parameters ``modelling``.
        seed: The project's seed.

    Returns:
        Schema ``Folds``, one row per battle in the order of ``battles``.

    Raises:
        ValueError: If there are no more prompt groups than folds, a class has fewer battles than there are folds, or
            all of a class lies in one fold.
    """
    groups, labels = battles["prompt_group"], battles["label"].to_numpy()
    # Outside of a fold there must be one group to learn from and one to stop early by.
    if groups.nunique() <= options.folds:
        raise ValueError(
            f"{groups.nunique()} prompt groups are too few for {options.folds} folds, because a fold takes whole "
            f"groups; {options.folds + 1} are the least. Add battles or lower modelling.folds."
        )
    counts = np.bincount(labels, minlength=N_CLASSES)
    if counts.min() < options.folds:
        rarest = LABEL_COLUMNS[int(counts.argmin())]
        raise ValueError(
            f"Only {counts.min()} training battles have the label {rarest}; each of the {options.folds} folds needs at "
            "least one. Add battles or lower modelling.folds."
        )
    splitter = StratifiedGroupKFold(options.folds, shuffle=True, random_state=seed)
    fold = np.empty(len(battles), dtype=np.int8)
    for number, (_, held_out) in enumerate(splitter.split(battles, labels, groups)):
        fold[held_out] = number
    for number in range(options.folds):
        absent = np.setdiff1d(_CLASSES, labels[fold != number])
        if len(absent):
            raise ValueError(
                f"All battles with the label {LABEL_COLUMNS[absent[0]]} are in fold {number}, because they share a "
                "prompt group, so the model of that fold could not learn it. Add battles or change seed."
            )
    return pd.DataFrame({ID: battles[ID], "fold": fold})


def fit_fold_models(
    model_input: pd.DataFrame, battles: pd.DataFrame, folds: pd.DataFrame, options: ModellingOptions, seed: int
) -> tuple[CatBoost, pd.DataFrame]:
    """Fit one CatBoost model per fold, on both orders of every battle outside the fold.

    The number of trees is chosen on prompt groups set aside inside the training part, so the held-out fold plays no
    part in its own model.

    Args:
        model_input: Features of the training battles.
        battles: The same battles, schema ``Battles`` with label.
        folds: Schema ``Folds``.
        options: Parameters ``modelling``.
        seed: The project's seed.

    Returns:
        The average of the fold models (one CatBoost model whose raw scores are the mean of theirs), and the
        out-of-fold logits: id, fold and one column per class, averaged over both orders.

    Raises:
        ValueError: If the training part of a fold lacks a class.
    """
    labelled = _find_rows(battles, model_input).assign(fold=_find_rows(folds, model_input)["fold"])
    features = model_input.drop(columns=ID)
    labels, groups, fold = (labelled[name].to_numpy() for name in ("label", "prompt_group", "fold"))

    models, logits = [], np.empty((len(features), N_CLASSES))
    for number in np.unique(fold):
        held_out = fold == number
        model = _fit_model(features[~held_out], labels[~held_out], groups[~held_out], options, seed)
        logits[held_out] = predict_logits(model, features[held_out])
        loss = log_loss(labels[held_out], softmax(logits[held_out], axis=1), labels=_CLASSES)
        logger.info("fold %d: log loss %.4f on %d battles, %d trees", number, loss, held_out.sum(), model.tree_count_)
        models.append(model)
    average = sum_models(models, weights=[1 / len(models)] * len(models))
    scores = pd.DataFrame(logits, columns=LOGIT_COLUMNS)
    scores.insert(0, ID, model_input[ID].to_numpy())
    scores.insert(1, "fold", fold)
    return average, scores


def predict_logits(model: CatBoost, features: pd.DataFrame) -> FloatArray:
    """Score battles in both orders and average, so that the order of the answers cannot matter.

    The swapped scores are the same two numbers with A and B exchanged, hence the equivariance is exact.

    Args:
        model: A CatBoost model with three classes.
        features: One row per battle; the model's features, in any order.

    Returns:
        Logits, shape (n, 3), in the order of ``LABEL_COLUMNS``.

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
    return (in_order + swap_probabilities(swapped)) / 2


def fit_baselines(battles: pd.DataFrame, folds: pd.DataFrame) -> pd.DataFrame:
    """Predict each fold by what a model must beat: the class prior, and a logistic regression on lengths alone.

    Args:
        battles: Training battles, schema ``Battles`` with label.
        folds: Schema ``Folds``.

    Returns:
        id and the probabilities of both, ``prior_<label>`` and ``length_<label>``.
    """
    labels = battles["label"].to_numpy()
    lengths = length_features(np.column_stack([battles[name].map(count_characters) for name in TEXT_COLUMNS[1:]]))
    fold = _find_rows(folds, battles)["fold"].to_numpy()
    prior, length = np.empty((len(battles), N_CLASSES)), np.empty((len(battles), N_CLASSES))
    for number in np.unique(fold):
        held_out = fold == number
        prior[held_out] = np.bincount(labels[~held_out], minlength=N_CLASSES) / (~held_out).sum()
        model = LogisticRegression(max_iter=1000).fit(lengths[~held_out], labels[~held_out])
        length[held_out] = model.predict_proba(lengths[held_out])
    table = {f"prior_{name}": prior[:, column] for column, name in enumerate(LABEL_COLUMNS)}
    table |= {f"length_{name}": length[:, column] for column, name in enumerate(LABEL_COLUMNS)}
    return pd.DataFrame({ID: battles[ID], **table})


def fit_calibration(oof_scores: pd.DataFrame, battles: pd.DataFrame) -> dict[str, Any]:
    """Fit the temperature by which logits are divided (Guo et al., 2017).

    Args:
        oof_scores: id, fold and out-of-fold logits.
        battles: The same battles, schema ``Battles`` with label.

    Returns:
        ``temperature``, fitted on all folds, for new battles, whose average over the fold models is a little less
        extreme than any one of them; ``fold_temperatures``, each fitted on the other folds, so
        that reported scores are honest.
    """
    logits = oof_scores[LOGIT_COLUMNS].to_numpy()
    labels = _find_rows(battles, oof_scores)["label"].to_numpy()
    fold = oof_scores["fold"].to_numpy()
    return {
        "temperature": _fit_temperature(logits, labels),
        "fold_temperatures": {
            str(number): _fit_temperature(logits[fold != number], labels[fold != number]) for number in np.unique(fold)
        },
    }


def predict_out_of_fold(
    oof_scores: pd.DataFrame, calibration: dict[str, Any], battles: pd.DataFrame, baseline_predictions: pd.DataFrame
) -> pd.DataFrame:
    """Turn out-of-fold logits into calibrated probabilities, next to those of the baselines.

    Args:
        oof_scores: id, fold and out-of-fold logits.
        calibration: What ``fit_calibration`` gave; each fold takes the temperature of the others.
        battles: The same battles, schema ``Battles`` with label.
        baseline_predictions: What ``fit_baselines`` gave.

    Returns:
        Schema ``OutOfFoldPredictions``.
    """
    temperature = oof_scores["fold"].astype(str).map(calibration["fold_temperatures"]).to_numpy(dtype=float)
    probabilities = softmax(oof_scores[LOGIT_COLUMNS].to_numpy() / temperature[:, None], axis=1)
    predictions = oof_scores[[ID, "fold"]].merge(battles[[ID, "prompt_group", "label"]], on=ID, validate="one_to_one")
    predictions[list(LABEL_COLUMNS)] = probabilities
    return predictions.merge(baseline_predictions, on=ID, validate="one_to_one")


def calibrate_model(fold_average: CatBoost, calibration: dict[str, Any]) -> CatBoost:
    """Write the temperature into the model, so that one file holds all that a prediction needs.

    Args:
        fold_average: The average of the fold models.
        calibration: What ``fit_calibration`` gave.

    Returns:
        The same trees; raw scores are calibrated logits.
    """
    model = fold_average.copy()
    scale, bias = model.get_scale_and_bias()
    temperature = calibration["temperature"]
    model.set_scale_and_bias(scale / temperature, list(np.asarray(bias) / temperature))
    return model


def evaluate_predictions(oof_predictions: pd.DataFrame, options: ModellingOptions, seed: int) -> dict[str, Any]:
    """Score the out-of-fold predictions, each figure with a 95 % interval from a bootstrap over prompt groups.

    The expected calibration error is that of the likeliest class (Guo et al., 2017): the mean gap between its
    probability and how often it came true, over bins of equal width.

    Args:
        oof_predictions: Schema ``OutOfFoldPredictions``.
        options: Parameters ``modelling``.
        seed: The project's seed.

    Returns:
        ``log_loss``, ``accuracy``, ``expected_calibration_error``, ``prior_log_loss`` and ``length_log_loss``, each
        ``{value, low, high}``; ``battles`` and ``folds``.
    """
    labels = oof_predictions["label"].to_numpy()
    rows = np.arange(len(labels))
    probabilities = oof_predictions[list(LABEL_COLUMNS)].to_numpy()
    bins = _calibration_bins(probabilities, options.calibration_bins)
    confidence, hit = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels

    def mean_of(values: FloatArray) -> Any:
        return lambda weights: float(np.average(values, weights=weights))

    def loss_of(prefix: str) -> Any:
        chosen = oof_predictions[[f"{prefix}{name}" for name in LABEL_COLUMNS]].to_numpy()[rows, labels]
        return mean_of(-np.log(np.clip(chosen, np.finfo(float).tiny, 1.0)))

    def calibration_error(weights: FloatArray) -> float:
        gaps = np.bincount(bins, weights=weights * (confidence - hit), minlength=options.calibration_bins)
        return float(np.abs(gaps).sum() / weights.sum())

    statistics = {
        "log_loss": loss_of(""),
        "accuracy": mean_of(hit.astype(float)),
        "expected_calibration_error": calibration_error,
        "prior_log_loss": loss_of("prior_"),
        "length_log_loss": loss_of("length_"),
    }
    group = oof_predictions["prompt_group"].astype("category").cat.codes.to_numpy()
    rng = np.random.default_rng(seed)
    groups = group.max() + 1
    draws: dict[str, list[float]] = {name: [] for name in statistics}
    for _ in range(options.bootstrap_draws):
        weights = np.bincount(rng.integers(groups, size=groups), minlength=groups)[group].astype(float)
        for name, statistic in statistics.items():
            draws[name].append(statistic(weights))
    metrics: dict[str, Any] = {}
    for name, statistic in statistics.items():
        value = statistic(np.ones(len(labels)))
        drawn = np.array(draws[name])
        # A sum of absolute gaps, such as the calibration error, grows with every resampling; that bias is taken off.
        low, high = np.percentile(drawn - (drawn.mean() - value), [2.5, 97.5])
        metrics[name] = {"value": value, "low": max(0.0, float(low)), "high": float(high)}
        logger.info("%s %.4f [%.4f, %.4f]", name, *metrics[name].values())
    return {**metrics, "battles": len(labels), "folds": int(oof_predictions["fold"].nunique())}


def predict_preferences(model_input: pd.DataFrame, preference_model: CatBoost) -> pd.DataFrame:
    """Predict with the calibrated model, both orders averaged.

    Args:
        model_input: Features of the battles.
        preference_model: What ``calibrate_model`` gave.

    Returns:
        Schema ``Predictions``, in the order of ``model_input``.
    """
    probabilities = softmax(predict_logits(preference_model, model_input.drop(columns=ID)), axis=1)
    predictions = pd.DataFrame(probabilities, columns=list(LABEL_COLUMNS))
    predictions.insert(0, ID, model_input[ID].to_numpy())
    return predictions


def _fit_model(
    features: pd.DataFrame,
    labels: npt.NDArray[np.integer[Any]],
    groups: npt.NDArray[Any],
    options: ModellingOptions,
    seed: int,
) -> CatBoostClassifier:
    inner = GroupShuffleSplit(n_splits=1, test_size=options.early_stopping_share, random_state=seed)
    fit_rows, stop_rows = next(inner.split(features, labels, groups))
    if len(np.unique(labels[fit_rows])) < N_CLASSES:
        raise ValueError(
            "The training part of a fold lacks one of the three labels, so no three-class model can be fitted on it. "
            "Add battles or lower modelling.folds."
        )
    model = CatBoostClassifier(
        loss_function="MultiClass",
        random_seed=seed,
        early_stopping_rounds=options.early_stopping_rounds,
        allow_writing_files=False,
        verbose=False,
        **options.catboost.model_dump(),
    )
    return model.fit(
        _both_orders(features.iloc[fit_rows], labels[fit_rows]),
        eval_set=_both_orders(features.iloc[stop_rows], labels[stop_rows]),
    )


def _find_rows(table: pd.DataFrame, wanted: pd.DataFrame) -> pd.DataFrame:
    """Bring a table into the order of another one's ids."""
    missing = ~wanted[ID].isin(table[ID])
    if missing.any() or len(table) != len(wanted):
        raise ValueError(
            f"Two tables of the training split describe different battles ({len(table)} and {len(wanted)} rows, "
            f"{missing.sum()} ids unmatched), so they come from different runs. Run the pipelines before modelling "
            "again, or name the versions of one run with --load-versions."
        )
    return table.set_index(ID).loc[wanted[ID]]


def _both_orders(features: pd.DataFrame, labels: npt.NDArray[np.integer[Any]]) -> Pool:
    return Pool(
        pd.concat([features, swap_features(features)], ignore_index=True),
        np.concatenate([labels, swap_labels(labels)]),
    )


def _fit_temperature(logits: FloatArray, labels: npt.NDArray[np.integer[Any]]) -> float:
    def loss(log_temperature: float) -> float:
        return float(log_loss(labels, softmax(logits / np.exp(log_temperature), axis=1), labels=_CLASSES))

    # A temperature outside of 1/5 .. 5 would say that the model is broken, not that it needs calibration.
    return float(np.exp(minimize_scalar(loss, bounds=(-np.log(5), np.log(5)), method="bounded").x))


def _calibration_bins(probabilities: FloatArray, bins: int) -> npt.NDArray[np.intp]:
    """Bin of each prediction by the probability of its likeliest class."""
    return np.minimum((probabilities.max(axis=1) * bins).astype(np.intp), bins - 1)
