"""Nodes of the pipeline ``tuning``."""

import hashlib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from arena_preference.pipelines.modelling.config import CatBoostConfig, ModellingConfig
from arena_preference.pipelines.modelling.fitting import compute_oof_losses

from .config import TuningConfig

if TYPE_CHECKING:
    from optuna import Study, Trial

logger = logging.getLogger(__name__)

_INTEGERS: Final = frozenset({"iterations", "depth"})


def tune_catboost(
    model_input: pd.DataFrame,
    oof_linear_logits: pd.DataFrame,
    labels: pd.DataFrame,
    tuning_trials: Any,
    modelling: ModellingConfig,
    config: TuningConfig,
) -> dict[str, Any]:
    """Search for the CatBoost parameters with the lowest out-of-fold log loss, by one model per fold.

    A study is identified by the battles, folds, features and parameters that its results depend on. With the same ones,
    a run resumes the study; with others, it starts a new one.

    The first trial uses the parameters of ``modelling``, if they are within the search space. ``tuning_trials`` is
    Optuna's storage of the trials of all studies.

    Returns:
        The best parameters as the part of ``parameters_modelling.yml`` that they replace. The lowest of many log losses
        is optimistic: evaluate the parameters on battles that were not used for the choice.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    name = _identify_study([model_input, oof_linear_logits, labels], modelling, config)
    study = optuna.create_study(storage=tuning_trials, study_name=name, load_if_exists=True)
    complete = len(study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)))
    # With its first seed, the sampler of a resumed study would repeat its first trials.
    study.sampler = optuna.samplers.TPESampler(seed=config.seed + complete)
    current: dict[str, Any] = {name: getattr(modelling.catboost, name) for name in config.space}
    outside = [name for name, limits in config.space.items() if not limits.low <= current[name] <= limits.high]
    if outside:
        logger.info("modelling.catboost is outside tuning.space (%s) and is not tried", ", ".join(outside))
    else:
        study.enqueue_trial(current, skip_if_exists=True)

    def compute_loss(trial: "Trial") -> float:
        catboost = modelling.catboost.model_copy(update=_suggest_parameters(trial, config))
        candidate = modelling.model_copy(update={"catboost": catboost})
        return float(compute_oof_losses(model_input, oof_linear_logits, labels, candidate, config.seed).mean())

    def log_trial(study: "Study", trial: Any) -> None:
        logger.info("trial %d: log loss %.4f, best %.4f", trial.number, trial.value, study.best_value)

    logger.info("study %s: %d of %d trials are complete", study.study_name, complete, config.trials)
    study.optimize(compute_loss, n_trials=max(0, config.trials - complete), callbacks=[log_trial])
    return {"modelling": {"catboost": study.best_params}}


def _suggest_parameters(trial: "Trial", config: TuningConfig) -> dict[str, int | float]:
    return {
        name: trial.suggest_int(name, int(limits.low), int(limits.high), log=limits.log)
        if name in _INTEGERS
        else trial.suggest_float(name, limits.low, limits.high, log=limits.log)
        for name, limits in config.space.items()
    }


def _identify_study(tables: Sequence[pd.DataFrame], modelling: ModellingConfig, config: TuningConfig) -> str:
    """Hash what the result of a trial depends on, except the parameters under search."""
    digest = hashlib.sha256()
    for table in tables:
        digest.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
        digest.update(repr(list(table.columns)).encode())
    used: Any = {
        "linear_model": True,
        "shrinkage": True,
        "consensus_dropout": True,
        "tie_prior": True,
        "catboost": CatBoostConfig.model_fields.keys() - config.space,
    }
    digest.update(modelling.model_dump_json(include=used).encode())
    digest.update(config.model_dump_json(exclude={"trials"}).encode())
    return digest.hexdigest()[:16]
