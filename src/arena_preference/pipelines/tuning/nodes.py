"""Nodes of the pipeline ``tuning``."""

import hashlib
import logging
from typing import TYPE_CHECKING, Any

import pandas as pd

from arena_preference.pipelines.modelling.config import ModellingConfig
from arena_preference.pipelines.modelling.experiments import compute_oof_losses

from .config import TuningConfig

if TYPE_CHECKING:
    from optuna import Study, Trial

logger = logging.getLogger(__name__)

# Of these settings there are whole numbers only.
_WHOLE = frozenset({"iterations", "depth"})


def tune_catboost(
    model_input: pd.DataFrame,
    oof_bow_logits: pd.DataFrame,
    labels: pd.DataFrame,
    tuning_trials: Any,
    modelling: ModellingConfig,
    options: TuningConfig,
    seed: int,
) -> dict[str, Any]:
    """Search for the CatBoost settings of least out-of-fold log loss, on the folds of modelling, one model a fold.

    A study is identified by the battles, folds, features and parameters that it depends on. A run that was stopped, or
    one that asks for more trials, goes on with it; on other battles a new study begins.

    Args:
        model_input: Features of the training battles.
        oof_bow_logits: What ``fit_bow_models`` gave.
        labels: Schema ``Labels``, of the same battles.
        tuning_trials: Optuna's storage of the trials of all studies; it grows.
        modelling: Parameters ``modelling``; the first trial takes their settings, if these lie in the space.
        options: Parameters ``tuning``.
        seed: The project's seed.

    Returns:
        The best settings as the part of ``parameters_modelling.yml`` that they replace. A log loss that was chosen from
        many is a little too good: score the settings on battles that had no part in the choice.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    single = modelling.model_copy(update={"seeds_per_fold": 1})
    study = optuna.create_study(
        storage=tuning_trials,
        study_name=_identify(model_input, oof_bow_logits, labels, single, options, seed),
        load_if_exists=True,
    )
    finished = _count_finished(study)
    # Resumed, a sampler with the same seed would draw its first settings again.
    study.sampler = optuna.samplers.TPESampler(seed=seed + finished)
    current = {name: getattr(single.catboost, name) for name, _ in options.space}
    outside = [name for name, bounds in options.space if not bounds.low <= current[name] <= bounds.high]
    if outside:
        logger.info(
            "the current settings lie outside of tuning.space (%s): the study does not begin with them",
            ", ".join(outside),
        )
    else:
        study.enqueue_trial(current, skip_if_exists=True)

    def score(trial: "Trial") -> float:
        catboost = single.catboost.model_copy(update=_draw_settings(trial, options))
        chosen = single.model_copy(update={"catboost": catboost})
        return float(compute_oof_losses(model_input, oof_bow_logits, labels, chosen, seed).mean())

    def report(study: "Study", trial: Any) -> None:
        logger.info("trial %d: log loss %.4f, best %.4f", trial.number, trial.value, study.best_value)

    logger.info("study %s: %d of %d trials are there", study.study_name, finished, options.trials)
    study.optimize(score, n_trials=max(0, options.trials - finished), callbacks=[report])
    return {"modelling": {"catboost": study.best_params}}


def _draw_settings(trial: "Trial", options: TuningConfig) -> dict[str, int | float]:
    settings: dict[str, int | float] = {}
    for name, bounds in options.space:
        if name in _WHOLE:
            settings[name] = trial.suggest_int(name, int(bounds.low), int(bounds.high), log=bounds.log)
        else:
            settings[name] = trial.suggest_float(name, bounds.low, bounds.high, log=bounds.log)
    return settings


def _count_finished(study: "Study") -> int:
    from optuna.trial import TrialState

    return len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))


def _identify(*parts: Any) -> str:
    """Hash all that a trial's result depends on, but for the number of trials and the settings under search."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, pd.DataFrame):
            digest.update(pd.util.hash_pandas_object(part, index=False).to_numpy().tobytes())
            digest.update(repr(list(part.columns)).encode())
        elif isinstance(part, ModellingConfig):
            digest.update(part.model_dump_json(exclude={"train_sizes", "ablation", "n_resamples"}).encode())
        elif isinstance(part, TuningConfig):
            digest.update(part.space.model_dump_json().encode())
        else:
            digest.update(repr(part).encode())
    return digest.hexdigest()[:16]
