"""Linear model: Davidson's (1970) model of paired comparisons with ties, on features of the battles.

The logits of A, B and a tie are m / 2, -m / 2 and t. The margin m is linear in the antisymmetric features and has no
intercept; t is linear in the symmetric ones. So a swap of the sides exchanges the probabilities exactly. CatBoost
starts from these logits and learns what they leave over.
"""

from itertools import combinations
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.util import hash_array
from scipy import sparse
from scipy.optimize import minimize

from arena_preference.battles import ID, LABEL_COLUMNS, MODEL_COLUMNS, PREFERS_A, PREFERS_B, TIE, FloatArray, align_rows
from arena_preference.symmetry import list_swap_signs
from arena_preference.targets import read_votes

from .config import LinearModelConfig, ModellingConfig
from .dropout import drop_consensus

Arrays = dict[str, npt.NDArray[Any]]

#: The margin m, which is the log-odds of A against B, and the logit t of a tie.
LINEAR_COLUMNS: Final = ("linear_side__diff", "linear_tie__pair")

# Standardised features are cut off here, so that a single one cannot decide a battle.
_MAX_DEVIATION: Final = 4.0
#: Coordinates of one space share a scale: those that vary most say most.
SPACES: Final = (r"lsa_\d+__diff", r"emb_\d+__diff")
# Candidates for the weight of coordinates against that of other features.
_COORDINATE_WEIGHTS: Final = (0.2, 1.0)
# The logit of a tie where none has been seen: it takes no part.
_NEVER: Final = -50.0


class _Battles(NamedTuple):
    """What the model is fitted on, all of one source."""

    side: FloatArray  # antisymmetric features, shape (n, p)
    tie: FloatArray  # symmetric features, shape (n, q)
    models: Any  # sparse, shape (n, models): 1 for the author of response a, -1 for that of b; 0 if one is unknown
    votes: FloatArray  # shape (n, 3)


def fit_linear_model(
    model_input: pd.DataFrame, labels: pd.DataFrame, ingestion_summary: dict[str, Any], config: ModellingConfig
) -> tuple[Arrays, pd.DataFrame]:
    """Fit the linear model outside each fold, and outside each pair of folds.

    CatBoost for fold k is fitted on the other folds. To learn what the linear model leaves over, it needs scores from
    models that have seen neither the battle nor fold k: for a battle of fold j, those of the model without j and k. On
    fold k itself, it uses the model without k.

    How much the coordinates of spaces tell about new prompts depends on how many prompts there are. So their weight in
    the models for fold k is the one of ``_COORDINATE_WEIGHTS`` with the lowest log loss of the models without j and k
    on the folds j.

    Returns:
        For each fold the model without it: ``side``, shape (folds, p), ``tie``, (folds, q), and ``tie_intercept``,
        (folds, 1), for battles like those of the main source; what standardises the features: ``side_scale``, (p,),
        ``tie_mean`` and ``tie_scale``, (q,); and ``feature_hashes``, (p + q,), of their names.

        And the out-of-fold logits: id, fold, for each fold k ``linear_side__diff_<k>`` and ``linear_tie__pair_<k>``, by
        models that have seen no label of fold k, and ``linear_side__diff`` and ``linear_tie__pair``, those of the
        battle's own fold.

    Raises:
        ValueError: If no battle outside a pair of folds is won by A, or none by B.
    """
    aligned = align_rows(labels, model_input[ID], "labels")
    votes, fold, source = read_votes(aligned), aligned["fold"].to_numpy(), aligned["source"].to_numpy(object)
    main_source = ingestion_summary["main_source"]
    sources = [main_source, *sorted(set(source) - {main_source})]
    of_source = [np.flatnonzero(source == name) for name in sources]
    scales = _measure_scales(model_input.drop(columns=ID))
    features = _standardise(model_input, scales)
    dropped = _standardise(drop_consensus(model_input, config.consensus_dropout), scales)
    models, coordinates = _encode_models(aligned), _find_coordinates(model_input.drop(columns=ID))

    def fit(folds: Any, weight: float) -> list[Arrays]:
        parts = [rows[~np.isin(fold[rows], folds)] for rows in of_source]
        battles = [_Battles(dropped[0][rows], dropped[1][rows], models[rows], votes[rows]) for rows in parts]
        return _fit(battles, np.where(coordinates, weight, 1.0), config.linear_model)

    def predict(tables: tuple[FloatArray, FloatArray], fitted: list[Arrays], number: int) -> FloatArray:
        logits = np.zeros((len(fold), len(LINEAR_COLUMNS)))
        for rows, model in zip(of_source, fitted, strict=True):
            held_out = rows[fold[rows] == number]
            logits[held_out] = _compute_logits(tables[0][held_out], tables[1][held_out], model)
        return logits

    numbers = np.unique(fold)
    weights = _COORDINATE_WEIGHTS if coordinates.any() else _COORDINATE_WEIGHTS[:1]
    learned = {(weight, number): np.zeros((len(fold), len(LINEAR_COLUMNS))) for weight in weights for number in numbers}
    for weight in weights:
        for pair in combinations(numbers, 2):
            fitted = fit(pair, weight)
            for number, other in (pair, pair[::-1]):
                learned[weight, number] += predict(dropped, fitted, other)
    table, own, kept = aligned[[ID, "fold"]].copy(), np.zeros((len(fold), len(LINEAR_COLUMNS))), []
    for number in numbers:
        scored = of_source[0][fold[of_source[0]] != number]
        losses = [_measure_loss(votes[scored], *learned[weight, number][scored].T)[0] for weight in weights]
        best = weights[int(np.argmin(losses))]
        fitted = fit([number], best)
        logits = predict(features, fitted, number)
        own += logits
        table[[f"{name}_{number}" for name in LINEAR_COLUMNS]] = (learned[best, number] + logits).astype(np.float32)
        kept.append(fitted[0])
    table[list(LINEAR_COLUMNS)] = own.astype(np.float32)
    return {**scales, **{name: np.stack([model[name] for model in kept]) for name in kept[0]}}, table


def predict_linear_logits(model_input: pd.DataFrame, linear_model: Arrays, fold: int | None = None) -> pd.DataFrame:
    """Return id and the float32 columns ``linear_side__diff`` and ``linear_tie__pair`` of new battles.

    They are by the model that has seen no label of the fold or, without one, by the average of those of all folds.

    Raises:
        ValueError: If the model was fitted on other features.
    """
    _check_features(model_input.drop(columns=ID), linear_model)
    model = {
        name: linear_model[name].mean(axis=0) if fold is None else linear_model[name][fold]
        for name in ("side", "tie", "tie_intercept")
    }
    logits = _compute_logits(*_standardise(model_input, linear_model), model).astype(np.float32)
    return pd.concat(
        [model_input[[ID]].reset_index(drop=True), pd.DataFrame(logits, columns=list(LINEAR_COLUMNS))], axis=1
    )


def explain_linear_logits(features: pd.DataFrame, linear_model: Arrays) -> tuple[FloatArray, FloatArray]:
    """Return what each feature adds to the margin and to the logit of a tie, both of shape (n, features)."""
    _check_features(features, linear_model)
    is_antisymmetric = list_swap_signs(features.columns) < 0
    side, tie = _standardise(features, linear_model)
    margins, ties = np.zeros((2, *features.shape))
    margins[:, is_antisymmetric] = side * linear_model["side"].mean(axis=0)
    ties[:, ~is_antisymmetric] = tie * linear_model["tie"].mean(axis=0)
    return margins, ties


def fit_on_votes(model_input: pd.DataFrame, labels: pd.DataFrame, config: ModellingConfig) -> Arrays:
    """Fit one linear model on all battles, as if they were of one source, for ``predict_linear_logits``."""
    scales = _measure_scales(model_input.drop(columns=ID))
    battles = _Battles(*_standardise(model_input, scales), _encode_models(labels), read_votes(labels))
    (model,) = _fit([battles], np.ones(battles.side.shape[1]), config.linear_model)
    return {**scales, **{name: values[None] for name, values in model.items()}}


def select_fold_logits(oof_linear_logits: pd.DataFrame, fold: int) -> pd.DataFrame:
    """Return id and the logits by models that have seen no label of the fold, named ``LINEAR_COLUMNS``."""
    columns = {f"{name}_{fold}": name for name in LINEAR_COLUMNS}
    return oof_linear_logits[[ID, *columns]].rename(columns=columns)


def _check_features(features: pd.DataFrame, linear_model: Arrays) -> None:
    if not np.array_equal(linear_model["feature_hashes"], _hash_names(features)):
        raise ValueError(
            f"linear_model was fitted on {len(linear_model['feature_hashes'])} features and there are "
            f"{features.shape[1]}, or they are others or in another order, so it was fitted with other parameters of "
            "features or embedding. Use the same, run the pipeline modelling again, or take all inputs from one run "
            "with --params=from_run=RUN."
        )


def _hash_names(features: pd.DataFrame) -> npt.NDArray[np.int64]:
    return hash_array(features.columns.to_numpy(object), categorize=False).view(np.int64)


def _measure_scales(features: pd.DataFrame) -> Arrays:
    """Root mean square of the antisymmetric features, mean and standard deviation of the symmetric ones, and names."""
    is_antisymmetric = list_swap_signs(features.columns) < 0
    values = features.to_numpy(dtype=float)
    scale = np.sqrt(np.square(values[:, is_antisymmetric]).mean(axis=0))
    names = features.columns[is_antisymmetric]
    for space in SPACES:
        of_space = names.str.fullmatch(space)
        if of_space.any():
            scale[of_space] = np.sqrt(np.square(scale[of_space]).mean())
    symmetric = values[:, ~is_antisymmetric]
    spread = symmetric.std(axis=0)
    # A feature that is the same everywhere says nothing.
    scale[scale == 0], spread[spread == 0] = np.inf, np.inf
    return {
        "feature_hashes": _hash_names(features),
        "side_scale": scale,
        "tie_mean": symmetric.mean(axis=0),
        "tie_scale": spread,
    }


def _find_coordinates(features: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Say of each antisymmetric feature whether it is a coordinate of a space."""
    names = features.columns[list_swap_signs(features.columns) < 0]
    return np.asarray(names.str.fullmatch("|".join(SPACES)), dtype=bool)


def _standardise(features: pd.DataFrame, scales: Arrays) -> tuple[FloatArray, FloatArray]:
    """Return the antisymmetric features, divided by their scale, and the standardised symmetric ones."""
    features = features.drop(columns=ID, errors="ignore")
    is_antisymmetric = list_swap_signs(features.columns) < 0
    values = features.to_numpy(dtype=float)
    side = values[:, is_antisymmetric] / scales["side_scale"]
    tie = (values[:, ~is_antisymmetric] - scales["tie_mean"]) / scales["tie_scale"]
    # A sum rounds by the order of the values in memory.
    side, tie = (np.ascontiguousarray(table.clip(-_MAX_DEVIATION, _MAX_DEVIATION)) for table in (side, tie))
    return side, tie


def _encode_models(labels: pd.DataFrame) -> Any:
    """Return the sparse matrix of battles by authors, see ``_Battles``."""
    names = labels.reindex(columns=list(MODEL_COLUMNS))
    known = np.flatnonzero(names.notna().all(axis=1))
    codes, found = pd.factorize(names.iloc[known].to_numpy(object).ravel(), sort=True)
    values, rows = np.tile([1.0, -1.0], len(known)), np.repeat(known, 2)
    return sparse.csr_matrix((values, (rows, codes)), shape=(len(labels), max(1, len(found))))


def _fit(battles: list[_Battles], weights: FloatArray, config: LinearModelConfig) -> list[Arrays]:
    """Fit the battles of each source, the main one first, and return the coefficients of each.

    The antisymmetric features are multiplied by ``weights``, shape (p,): a smaller weight means a larger penalty.

    What wins is much the same everywhere: the coefficients of the margin are a shared part plus one of the source. How
    often people vote for a tie, and when, differs from source to source, so that each has coefficients of its own.

    Some authors are better than others. Where the models are known, they have coefficients, too. New battles do not
    name them, but their texts tell: a ridge regression from the features to these coefficients is added to those of
    the features. As each response says who wrote it, this is learned from far more than one vote per battle.
    """
    battles = [part._replace(side=part.side * weights) for part in battles]
    votes = np.sum([part.votes.sum(axis=0) for part in battles], axis=0)
    if not votes[:TIE].all():
        absent = LABEL_COLUMNS[int(np.argmin(votes[:TIE]))]
        raise ValueError(
            f"No battle that the linear model is fitted on has the label {absent}. Add battles with it, or exchange "
            "the responses of half of the battles together with their labels."
        )
    n_sources, (n_side, n_tie, n_models) = len(battles), (table.shape[1] for table in battles[0][:3])
    shapes = {
        "shared": (n_side,),
        "own": (n_sources, n_side),
        "tie": (n_sources, n_tie),
        "strength": (n_models,),
        "tie_strength": (n_models,),
        "tie_intercept": (n_sources,),
    }
    ends = np.cumsum([np.prod(shape) for shape in shapes.values()])

    def unpack(point: FloatArray) -> dict[str, FloatArray]:
        parts = np.split(point, ends[:-1])
        return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}

    alphas = {"shared": config.alpha_side, "own": config.alpha_side, "tie": config.alpha_tie, "tie_intercept": 0.0}
    penalties = np.concatenate(
        [np.full(np.prod(shape), alphas.get(name, config.alpha_models)) for name, shape in shapes.items()]
    )

    def evaluate(point: FloatArray) -> tuple[float, FloatArray]:
        gradient = penalties * point
        loss, of, slope = gradient @ point / 2, unpack(point), unpack(gradient)
        for k, (side, tie, models, votes) in enumerate(battles):
            margin = side @ (of["shared"] + of["own"][k]) + models @ of["strength"]
            logit = tie @ of["tie"][k] + abs(models) @ of["tie_strength"] + of["tie_intercept"][k]
            added, by_margin, by_tie = _measure_loss(votes, margin, logit)
            loss += added
            by_side = side.T @ by_margin
            slope["shared"] += by_side
            if n_sources > 1:
                slope["own"][k] += by_side
            slope["strength"] += models.T @ by_margin
            slope["tie"][k] += tie.T @ by_tie
            slope["tie_strength"] += abs(models).T @ by_tie
            slope["tie_intercept"][k] += by_tie.sum()
        return float(loss), gradient

    start = np.zeros(ends[-1])
    for k, part in enumerate(battles):
        # Laplace's rule of succession, where a source has no ties and this stays as it is.
        unpack(start)["tie_intercept"][k] = np.log((2 * part.votes[:, TIE].sum() + 1) / (part.votes[:, :TIE].sum() + 1))
    point = minimize(evaluate, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000}).x
    of = unpack(point)
    side, tie, models, votes = battles[0]
    known = votes.sum(axis=1) * (abs(models).sum(axis=1).A1 > 0)
    strength, tie_strength = models @ of["strength"], abs(models) @ of["tie_strength"]
    mean = np.average(tie_strength, weights=known) if known.any() else 0.0
    return [
        {
            "side": weights * (of["shared"] + own + _regress(side, strength, known, config.alpha_side)),
            "tie": own_tie + _regress(tie, tie_strength - mean, known, config.alpha_tie),
            "tie_intercept": np.array([intercept + mean]),
        }
        for own, own_tie, intercept in zip(of["own"], of["tie"], of["tie_intercept"], strict=True)
    ]


def _regress(features: FloatArray, target: FloatArray, weights: FloatArray, alpha: float) -> FloatArray:
    """Return the coefficients of a ridge regression without intercept."""
    weighted = features.T * weights
    return np.linalg.solve(weighted @ features + alpha * np.eye(features.shape[1]), weighted @ target)


def _measure_loss(votes: FloatArray, margin: FloatArray, tie: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """Return the log loss and its derivatives by margin and tie logit, each of shape (n,)."""
    if not votes[:, TIE].any():
        # A source without ties says nothing about them.
        tie = np.full_like(tie, _NEVER)
    logits = np.column_stack([margin / 2, -margin / 2, tie])
    highest = logits.max(axis=1, keepdims=True)
    exponentials = np.exp(logits - highest)
    totals = exponentials.sum(axis=1, keepdims=True)
    weights = votes.sum(axis=1)
    loss = weights @ (np.log(totals) + highest)[:, 0] - (votes * logits).sum()
    residuals = exponentials / totals * weights[:, None] - votes
    return float(loss), (residuals[:, PREFERS_A] - residuals[:, PREFERS_B]) / 2, residuals[:, TIE]


def _compute_logits(side: FloatArray, tie: FloatArray, model: Arrays) -> FloatArray:
    """Return margin and tie logit, shape (n, 2), of standardised features."""
    # einsum rounds a battle the same in every table.
    return np.column_stack(
        [
            np.einsum("np,p->n", side, model["side"]),
            np.einsum("np,p->n", tie, model["tie"]) + model["tie_intercept"],
        ]
    )
