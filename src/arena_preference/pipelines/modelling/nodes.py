"""Nodes of the pipeline ``modelling``."""

import logging
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from catboost import CatBoost, sum_models
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from arena_preference.battles import (
    ID,
    LABEL_COLUMNS,
    N_CLASSES,
    ORIGINAL_ORDER,
    SWAPPED_ORDER,
    TEXT_COLUMNS,
    FloatArray,
    align_rows,
    count_characters,
    length_features,
)
from arena_preference.metrics import (
    as_interval,
    compute_losses,
    estimate_calibration_error,
    estimate_means,
    select_probabilities,
)

from .bag_of_words import (
    SCORE_COLUMNS,
    Arrays,
    Labels,
    average_models,
    fit_without_pairs,
    read_differences,
    score_by_words,
    take_fold_scores,
)
from .boosting import fit_catboost, predict_both_orders, predict_logits
from .config import ModellingConfig

logger = logging.getLogger(__name__)

_CLASSES = list(range(N_CLASSES))


def join_features(
    text_features: pd.DataFrame,
    lsa_features: pd.DataFrame,
    relevance_features: pd.DataFrame,
    consensus_features: pd.DataFrame,
    embedding_features: pd.DataFrame,
    reward_features: pd.DataFrame,
) -> pd.DataFrame:
    """Put the feature tables of one split side by side.

    Args:
        text_features: Schema ``Features``.
        lsa_features: Schema ``Features``.
        relevance_features: Schema ``Features``.
        consensus_features: Schema ``Features``.
        embedding_features: Schema ``Features``.
        reward_features: Schema ``Features``.

    Returns:
        One row per battle in the order of ``text_features``: id and the columns of all six.

    Raises:
        ValueError: If the tables do not describe the same battles.
    """
    joined = text_features
    for table in (lsa_features, relevance_features, consensus_features, embedding_features, reward_features):
        joined = join_tables(joined, table)
    return joined


def list_feature_groups(
    text_features: pd.DataFrame,
    lsa_features: pd.DataFrame,
    relevance_features: pd.DataFrame,
    consensus_features: pd.DataFrame,
    embedding_features: pd.DataFrame,
    reward_features: pd.DataFrame,
) -> dict[str, list[str]]:
    """Say which table each feature comes from; tables without features are left out.

    Args:
        text_features: Schema ``Features``.
        lsa_features: Schema ``Features``.
        relevance_features: Schema ``Features``.
        consensus_features: Schema ``Features``.
        embedding_features: Schema ``Features``.
        reward_features: Schema ``Features``.

    Returns:
        Names of features by family, the bag-of-words model's scores among them.
    """
    tables = {
        "text": text_features,
        "latent": lsa_features,
        "relevance": relevance_features,
        "consensus": consensus_features,
        "embedding": embedding_features,
        "reward model": reward_features,
    }
    families = {name: [str(column) for column in table.columns.drop(ID)] for name, table in tables.items()}
    families["bag-of-words model"] = list(SCORE_COLUMNS)
    return {name: columns for name, columns in families.items() if columns}


def fit_bow_models(
    tfidf_differences: pd.DataFrame, labels: pd.DataFrame, options: ModellingConfig
) -> tuple[Arrays, pd.DataFrame]:
    """Fit bag-of-words models on what lies outside each pair of folds, so that CatBoost can learn how far to trust them.

    The CatBoost model of fold k is fitted on the other folds, and needs there the scores of bag-of-words models that saw
    neither the battle itself nor fold k: for a battle of fold j, those of the model without j and k. On fold k itself
    it gets the mean of the models without k and another fold. One model serves both folds of its pair.

    Args:
        tfidf_differences: Schema ``TfidfDifferences``, of the training battles.
        labels: Schema ``Labels``, of the same battles.
        options: Parameters ``modelling``.

    Returns:
        The average of all these models, for new battles; and a table of id, fold and, for each fold k, two columns
        ``<score>_<k>`` in which no label of fold k had a part.
    """
    table = tfidf_differences[[ID]].copy()
    target, fold = read_labels(labels, table)
    differences = read_differences(tfidf_differences)
    numbers = np.unique(fold)
    scores = {number: np.zeros((len(table), len(SCORE_COLUMNS))) for number in numbers}
    models = []
    for pair, model in fit_without_pairs(differences, target, fold, options.bow_model):
        of_pair = score_by_words(differences, model)
        for number, other in (pair, pair[::-1]):
            scores[number][fold == other] = of_pair[fold == other]
            scores[number][fold == number] += of_pair[fold == number] / (len(numbers) - 1)
        models.append(model)
    table["fold"] = fold
    for number in numbers:
        columns = [f"{name}_{number}" for name in SCORE_COLUMNS]
        table[columns] = scores[number].astype(np.float32)
    return average_models(models), table


def predict_bow_logits(tfidf_differences: pd.DataFrame, bow_model: Arrays) -> pd.DataFrame:
    """Let the bag-of-words model score battles.

    Args:
        tfidf_differences: Schema ``TfidfDifferences``.
        bow_model: What ``fit_bow_models`` gave.

    Returns:
        Schema ``Features``, one row per battle: the log-odds of A against B, and of a tie.

    Raises:
        ValueError: If the model was fitted on another vocabulary.
    """
    differences = read_differences(tfidf_differences)
    if differences.shape[1] != len(bow_model["side"]):
        raise ValueError(
            f"The bag-of-words model was fitted on {len(bow_model['side'])} words and these battles are described by "
            f"{differences.shape[1]}: they come from different runs. Run the pipelines features and modelling again, "
            "or name the versions of one run with --load-versions."
        )
    scores = pd.DataFrame(score_by_words(differences, bow_model).astype(np.float32), columns=list(SCORE_COLUMNS))
    scores.insert(0, ID, tfidf_differences[ID])
    return scores


def fit_fold_models(
    model_input: pd.DataFrame,
    oof_bow_logits: pd.DataFrame,
    labels: pd.DataFrame,
    options: ModellingConfig,
    seed: int,
) -> tuple[CatBoost, pd.DataFrame]:
    """Fit CatBoost models on both orders of every battle outside each fold, and let them score the fold.

    Args:
        model_input: Features of the training battles.
        oof_bow_logits: What ``fit_bow_models`` gave.
        labels: Schema ``Labels``, of the same battles.
        options: Parameters ``modelling``.
        seed: The project's seed; the models of a fold take it and the numbers that follow.

    Returns:
        The average of all models (one CatBoost model whose raw scores are the mean of theirs); and the out-of-fold
        logits: id, fold, and one column per class for either order of the sides.
    """
    target, fold = read_labels(labels, model_input)
    models, logits = [], np.empty((2, len(model_input), N_CLASSES))
    for number in np.unique(fold):
        features = join_tables(model_input, take_fold_scores(oof_bow_logits, number)).drop(columns=ID)
        held_out = fold == number
        of_fold = [
            fit_catboost(features[~held_out], target[~held_out], options, seed + step)
            for step in range(options.seeds_per_fold)
        ]
        logits[:, held_out] = np.mean([predict_both_orders(model, features[held_out]) for model in of_fold], axis=0)
        loss = compute_losses(softmax(logits[:, held_out].mean(axis=0), axis=1), target[held_out]).mean()
        logger.info("fold %d: log loss %.4f on %d battles", number, loss, held_out.sum())
        models += of_fold
    average = sum_models(models, weights=[1 / len(models)] * len(models))
    scores = pd.DataFrame({ID: model_input[ID].to_numpy(), "fold": fold})
    for prefix, of_order in zip((ORIGINAL_ORDER, SWAPPED_ORDER), logits, strict=True):
        scores[[f"{prefix}{name}" for name in LABEL_COLUMNS]] = of_order
    return average, scores


def fit_baselines(battles: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Predict each fold by what a model must beat: the class prior, and a logistic regression on lengths alone.

    Args:
        battles: Training battles, schema ``Battles``.
        labels: Schema ``Labels``.

    Returns:
        id and the probabilities of both, ``prior_<label>`` and ``length_<label>``.
    """
    target, fold = read_labels(labels, battles)
    lengths = length_features(np.column_stack([battles[name].map(count_characters) for name in TEXT_COLUMNS[1:]]))
    prior, length = np.empty((len(battles), N_CLASSES)), np.empty((len(battles), N_CLASSES))
    for number in np.unique(fold):
        held_out = fold == number
        prior[held_out] = np.bincount(target[~held_out], minlength=N_CLASSES) / (~held_out).sum()
        model = LogisticRegression(max_iter=1000).fit(lengths[~held_out], target[~held_out])
        length[held_out] = model.predict_proba(lengths[held_out])
    table = {f"prior_{name}": prior[:, column] for column, name in enumerate(LABEL_COLUMNS)}
    table |= {f"length_{name}": length[:, column] for column, name in enumerate(LABEL_COLUMNS)}
    return pd.DataFrame({ID: battles[ID], **table})


def fit_calibration(
    oof_logits: pd.DataFrame, cross_encoder_logits: pd.DataFrame, labels: pd.DataFrame
) -> dict[str, Any]:
    """Fit how final logits are made: CatBoost's over a temperature (Guo et al., 2017), and some of a cross encoder's.

    Two numbers cannot learn anything else. Given to CatBoost as features, the scores of cross encoders, each of which
    has seen the labels of four folds, were worth nothing on 4,000 battles.

    Args:
        oof_logits: What ``fit_fold_models`` gave.
        cross_encoder_logits: Schema ``Logits``, out of fold; only the column id where there is no cross encoder.
        labels: Schema ``Labels``, of the same battles.

    Returns:
        ``temperature`` and ``cross_encoder_weight``, fitted on all folds, for new battles, whose average over the fold
        models is a little less extreme than any one of them; ``of_folds``, the same two for each fold, fitted on the
        others, so that reported scores are honest.
    """
    logits, cross_encoder = average_orders(oof_logits), read_logits(cross_encoder_logits, oof_logits)
    target, fold = read_labels(labels, oof_logits)
    outside = {str(number): fold != number for number in np.unique(fold)}
    return {
        **_fit_blend(logits, cross_encoder, target),
        "of_folds": {
            number: _fit_blend(logits[rows], cross_encoder[rows], target[rows]) for number, rows in outside.items()
        },
    }


def predict_out_of_fold(
    oof_logits: pd.DataFrame,
    cross_encoder_logits: pd.DataFrame,
    calibration: dict[str, Any],
    labels: pd.DataFrame,
    baseline_predictions: pd.DataFrame,
) -> pd.DataFrame:
    """Turn out-of-fold logits into calibrated probabilities, next to those of the baselines.

    Args:
        oof_logits: What ``fit_fold_models`` gave.
        cross_encoder_logits: Schema ``Logits``, out of fold; only the column id where there is no cross encoder.
        calibration: What ``fit_calibration`` gave; each fold takes what was fitted on the others.
        labels: Schema ``Labels``, of the same battles.
        baseline_predictions: What ``fit_baselines`` gave.

    Returns:
        Schema ``OutOfFoldPredictions``.
    """
    predictions = align_rows(labels, oof_logits[ID], "labels")
    logits = blend_out_of_fold(oof_logits, cross_encoder_logits, calibration)
    predictions[list(LABEL_COLUMNS)] = softmax(logits, axis=1)
    return predictions.merge(baseline_predictions, on=ID, validate="one_to_one")


def predict_base_models(
    oof_logits: pd.DataFrame,
    calibration: dict[str, Any],
    oof_bow_logits: pd.DataFrame,
    cross_encoder_logits: pd.DataFrame,
) -> pd.DataFrame:
    """Give what stands below the final probabilities: CatBoost asked in one order only, and the other models alone.

    Args:
        oof_logits: What ``fit_fold_models`` gave.
        calibration: What ``fit_calibration`` gave; each fold takes the temperature of the others.
        oof_bow_logits: What ``fit_bow_models`` gave.
        cross_encoder_logits: Schema ``Logits``, out of fold; only the column id where there is no cross encoder.

    Returns:
        id and out-of-fold probabilities of each class by ``catboost_original_order_``, ``catboost_swapped_order_`` (asked with the
        sides exchanged, its answer exchanged back), ``word_model_`` and, where there is one, ``cross_encoder_``.
    """
    temperature = _select_of_folds(oof_logits, calibration, "temperature")
    predictions = oof_logits[[ID]].copy()
    for prefix in (ORIGINAL_ORDER, SWAPPED_ORDER):
        logits = select_probabilities(oof_logits, prefix)
        predictions[[f"{prefix}{name}" for name in LABEL_COLUMNS]] = softmax(logits / temperature, axis=1)
    scores = join_fold_scores(oof_logits[[ID]], oof_bow_logits)
    side, tie = (1 / (1 + np.exp(-scores[name].to_numpy(dtype=float))) for name in SCORE_COLUMNS)
    words = np.column_stack([(1 - tie) * side, (1 - tie) * (1 - side), tie])
    predictions[[f"bow_model_{name}" for name in LABEL_COLUMNS]] = words
    if len(cross_encoder_logits.columns) > 1:
        logits = read_logits(cross_encoder_logits, oof_logits)
        predictions[[f"cross_encoder_{name}" for name in LABEL_COLUMNS]] = softmax(logits, axis=1)
    return predictions


def join_fold_scores(model_input: pd.DataFrame, oof_bow_logits: pd.DataFrame) -> pd.DataFrame:
    """Add to each battle's features the bag-of-words model's scores in which no label of its own fold had a part.

    Args:
        model_input: Features of the training battles.
        oof_bow_logits: What ``fit_bow_models`` gave.

    Returns:
        The features that the models were asked by: one row per battle, in the order of ``model_input``.
    """
    parts = [take_fold_scores(of_fold, number) for number, of_fold in oof_bow_logits.groupby("fold")]
    return join_tables(model_input, pd.concat(parts))


def calibrate_model(ensemble: CatBoost, calibration: dict[str, Any]) -> CatBoost:
    """Write the temperature into the model, so that its raw scores are calibrated logits.

    Args:
        ensemble: The average of the fold models.
        calibration: What ``fit_calibration`` gave.

    Returns:
        The same trees.
    """
    model = ensemble.copy()
    scale, bias = model.get_scale_and_bias()
    temperature = calibration["temperature"]
    model.set_scale_and_bias(scale / temperature, list(np.asarray(bias) / temperature))
    return model


def evaluate_predictions(oof_predictions: pd.DataFrame, options: ModellingConfig, seed: int) -> dict[str, Any]:
    """Score the out-of-fold predictions, each figure with a 95 % interval from a bootstrap over prompt groups.

    Args:
        oof_predictions: Schema ``OutOfFoldPredictions``.
        options: Parameters ``modelling``.
        seed: The project's seed.

    Returns:
        ``log_loss``, ``accuracy``, ``expected_calibration_error``, ``prior_log_loss`` and ``length_log_loss``, each
        ``{value, low, high}``; ``battles`` and ``folds``.
    """
    labels = oof_predictions["label"].to_numpy()
    probabilities = select_probabilities(oof_predictions)
    groups = oof_predictions["prompt_group"]
    bootstrap = (groups, options.n_resamples, seed)
    means = {
        "log_loss": compute_losses(probabilities, labels),
        "accuracy": (probabilities.argmax(axis=1) == labels).astype(float),
        "prior_log_loss": compute_losses(select_probabilities(oof_predictions, "prior_"), labels),
        "length_log_loss": compute_losses(select_probabilities(oof_predictions, "length_"), labels),
    }
    table = estimate_means(np.column_stack(list(means.values())), *bootstrap)
    metrics = {name: as_interval(row) for name, (_, row) in zip(means, table.iterrows(), strict=True)}
    metrics["expected_calibration_error"] = estimate_calibration_error(
        probabilities, labels, options.n_bins, *bootstrap
    )
    for name, figure in metrics.items():
        logger.info("%s %.4f [%.4f, %.4f]", name, *figure.values())
    return {**metrics, "battles": len(labels), "folds": int(oof_predictions["fold"].nunique())}


def predict_preferences(
    model_input: pd.DataFrame,
    bow_logits: pd.DataFrame,
    cross_encoder_logits: pd.DataFrame,
    preference_model: CatBoost,
    calibration: dict[str, Any],
) -> pd.DataFrame:
    """Predict with the calibrated model, both orders averaged, and the cross encoders.

    Args:
        model_input: Features of the battles.
        bow_logits: What ``predict_bow_logits`` gave for them.
        cross_encoder_logits: Schema ``Logits``; only the column id where there is no cross encoder.
        preference_model: What ``calibrate_model`` gave.
        calibration: What ``fit_calibration`` gave.

    Returns:
        Schema ``Predictions``, in the order of ``model_input``.

    Raises:
        ValueError: If the tables describe different battles, or the model was fitted with a cross encoder and there
            are no scores of one, or the other way round.
    """
    weight = calibration["cross_encoder_weight"]
    if (weight is None) == (len(cross_encoder_logits.columns) > 1):
        raise ValueError(
            f"The model was fitted {'without' if weight is None else 'with'} cross encoders, and this run has "
            f"{'their scores' if weight is None else 'none'}. Set finetuning.enabled as it was when the model was "
            "fitted, or run the pipeline modelling again."
        )
    features = join_tables(model_input, bow_logits).drop(columns=ID)
    logits = predict_logits(preference_model, features)
    logits += (weight or 0) * read_logits(cross_encoder_logits, model_input)
    probabilities = softmax(logits, axis=1)
    predictions = pd.DataFrame(probabilities, columns=list(LABEL_COLUMNS))
    predictions.insert(0, ID, model_input[ID].to_numpy())
    return predictions


def join_tables(features: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Two tables of the same battles side by side, in the order of the first."""
    return pd.concat(
        [features.reset_index(drop=True), align_rows(others, features[ID], "a table of features").drop(columns=ID)],
        axis=1,
    )


def read_labels(labels: pd.DataFrame, table: pd.DataFrame) -> tuple[Labels, npt.NDArray[np.integer[Any]]]:
    """Label and fold of each battle of ``table``, in its order, both of shape (n,)."""
    aligned = align_rows(labels, table[ID], "labels")
    return aligned["label"].to_numpy(), aligned["fold"].to_numpy()


def average_orders(oof_logits: pd.DataFrame) -> FloatArray:
    """Average the out-of-fold logits of both orders; shape (n, 3)."""
    return (select_probabilities(oof_logits, ORIGINAL_ORDER) + select_probabilities(oof_logits, SWAPPED_ORDER)) / 2


def read_logits(cross_encoder_logits: pd.DataFrame, wanted: pd.DataFrame) -> FloatArray:
    """Read a cross encoder's logits in the order of another table's ids, shape (n, 3); zeros where there is none."""
    logits = join_tables(wanted[[ID]], cross_encoder_logits).reindex(columns=list(LABEL_COLUMNS), fill_value=0)
    return logits.to_numpy(dtype=float)


def blend_out_of_fold(
    oof_logits: pd.DataFrame, cross_encoder_logits: pd.DataFrame, calibration: dict[str, Any]
) -> FloatArray:
    """Give each battle its final logits, by the numbers that were fitted on the other folds; shape (n, 3)."""
    logits = average_orders(oof_logits) / _select_of_folds(oof_logits, calibration, "temperature")
    weight = _select_of_folds(oof_logits, calibration, "cross_encoder_weight")
    return logits + np.nan_to_num(weight) * read_logits(cross_encoder_logits, oof_logits)


def _select_of_folds(oof_logits: pd.DataFrame, calibration: dict[str, Any], name: str) -> FloatArray:
    """Give each battle the number that was fitted on the other folds; shape (n, 1)."""
    of_folds = {number: fitted[name] for number, fitted in calibration["of_folds"].items()}
    return oof_logits["fold"].astype(str).map(of_folds).to_numpy(dtype=float)[:, None]


def _fit_blend(logits: FloatArray, cross_encoder: FloatArray, labels: Labels) -> dict[str, float | None]:
    there = bool(cross_encoder.any())

    def blend(point: FloatArray) -> FloatArray:
        return logits / np.exp(point[0]) + (point[1] * cross_encoder if there else 0)

    def loss(point: FloatArray) -> float:
        return float(log_loss(labels, softmax(blend(point), axis=1), labels=_CLASSES))

    # A temperature outside of 1/5 .. 5 would say that the model is broken, not that it needs calibration.
    bounds = [(-np.log(5), np.log(5)), (0, 5)]
    dimensions = 2 if there else 1
    point = minimize(loss, np.zeros(dimensions), bounds=bounds[:dimensions], method="Powell", tol=1e-6).x
    return {
        "temperature": float(np.exp(point[0])),
        "cross_encoder_weight": float(point[1]) if there else None,
    }
