"""Nodes of the pipeline ``finetuning``."""

import hashlib
import json
import logging
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from arena_preference.battles import ID, LABEL_COLUMNS, N_CLASSES, TEXT_COLUMNS, FloatArray, align_rows
from arena_preference.datasets import ModelStore
from arena_preference.pretrained import find_model, hash_model
from arena_preference.symmetry import swap_probabilities
from arena_preference.targets import SOFT_LABELS, are_plain, read_votes

from .config import FinetuningConfig

if TYPE_CHECKING:
    from .trainer import TrainedCrossEncoder

logger = logging.getLogger(__name__)

#: ``config``: the parameters of the training; ``base`` and ``folds``: hashes of the pretrained model's files and of the
#: folds; ``models``: fold, key in the store and hash of the files of each model; ``history``: fold, step, epoch, and
#: ``loss`` on training battles or ``log_loss`` on validation battles, the other null. Empty if switched off.
CrossEncoders = dict[str, Any]

#: The fold of a model that was trained on all of them.
ALL_FOLDS: Final = -1

# Parameters that do not change which model a training results in.
_NOT_LEARNED: Final = {"preset", "enabled", "refit", "device"}


def train_cross_encoders(
    battles: pd.DataFrame, labels: pd.DataFrame, cross_encoder_store: ModelStore, config: FinetuningConfig, seed: int
) -> CrossEncoders:
    """Train a cross encoder on the battles outside each fold and, with ``config.refit``, one on all battles.

    The store identifies a model by everything that it depends on: a stored model is not trained again, and an
    interrupted training resumes from its last checkpoint. Each training adds the number of its fold to the seed.

    Raises:
        ModuleNotFoundError: If the extra [finetuning] is not installed.
        FileNotFoundError: If the pretrained model is not found.
        ValueError: If it is corrupted, incomplete or does not fit the parameters, or ``labels`` has other battles.
        RuntimeError: If one of several processes failed, or there is no device of the requested kind.
    """
    if not config.enabled:
        return {}
    _check_installed(config)
    base = hash_model(find_model(config.model, config.revision))
    aligned = align_rows(labels, battles[ID], "labels")
    fold = aligned["fold"].to_numpy()
    battles = battles[[ID, *TEXT_COLUMNS, "prompt_group"]].reset_index(drop=True)
    battles = battles.join(aligned[["label", *SOFT_LABELS, "weight"]])
    models: list[dict[str, Any]] = []
    history: list[dict[str, Any]] = []
    for number in [*np.unique(fold).tolist(), *([ALL_FOLDS] if config.refit else [])]:
        outside = battles[fold != number].reset_index(drop=True)
        fold_seed = (seed + number) % 2**32
        key = _make_key(outside, config, base, fold_seed)
        folder = _train_model(cross_encoder_store, key, outside, config, fold_seed, _name(number))
        models.append({"fold": number, "key": key, "files": cross_encoder_store.hash(key)})
        history += [{"fold": number, **entry} for entry in _read_history(folder)]
    return {
        "config": config.model_dump(exclude=_NOT_LEARNED),
        "base": base,
        "folds": _hash_folds(labels),
        "models": models,
        "history": history,
    }


def predict_oof_logits(
    battles: pd.DataFrame,
    labels: pd.DataFrame,
    cross_encoder_store: ModelStore,
    cross_encoders: CrossEncoders,
    config: FinetuningConfig,
) -> pd.DataFrame:
    """Predict each training battle with the cross encoder that was trained without its fold.

    Only the device and the location of the pretrained model are read from ``config``.

    Returns:
        Schema ``Logits``, one row per battle; only the column id if fine-tuning is switched off.

    Raises:
        ValueError: If the folds differ from those of the training, or a model, head or adapter is missing or changed.
        FloatingPointError: If the dtype overflows.
    """
    if not cross_encoders:
        return battles[[ID]].reset_index(drop=True)
    fold = align_rows(labels, battles[ID], "labels")["fold"].to_numpy()
    if _hash_folds(labels) != cross_encoders["folds"]:
        raise ValueError(
            "The folds in labels are not those that the cross encoders were trained with: some would predict battles "
            "that they were trained on. Run the pipeline finetuning again, or take all inputs from one run with "
            "--params=from_run=RUN."
        )
    logits = np.full((len(battles), N_CLASSES), np.nan)
    for model in cross_encoders["models"]:
        held_out = fold == model["fold"]
        if held_out.any():
            cross_encoder = _load_cross_encoder(cross_encoder_store, cross_encoders, model, config)
            logits[held_out] = _predict(battles[held_out], cross_encoder, _name(model["fold"]), config.device.tokens)
    return _make_table(battles, logits)


def predict_test_logits(
    battles: pd.DataFrame,
    cross_encoder_store: ModelStore,
    cross_encoders: CrossEncoders,
    config: FinetuningConfig,
    loaded: dict[str, Any] | None = None,
) -> pd.DataFrame:
    """Predict new battles with the cross encoder of all folds or, without one, the mean of the folds' models.

    Result and errors are those of ``predict_oof_logits``. ``loaded`` keeps the models for the next call; without it,
    one is in memory at a time.
    """
    if not cross_encoders:
        return battles[[ID]].reset_index(drop=True)
    models = cross_encoders["models"]
    chosen = [model for model in models if model["fold"] == ALL_FOLDS] or models
    logits = []
    for model in chosen:
        cross_encoder = (loaded or {}).get(model["key"])
        cross_encoder = cross_encoder or _load_cross_encoder(cross_encoder_store, cross_encoders, model, config)
        if loaded is not None:
            loaded[model["key"]] = cross_encoder
        logits.append(_predict(battles, cross_encoder, _name(model["fold"]), config.device.tokens))
    return _make_table(battles, np.mean(logits, axis=0))


def predict_fold_logits(
    battles: pd.DataFrame, cross_encoder_store: ModelStore, cross_encoders: CrossEncoders, config: FinetuningConfig
) -> pd.DataFrame:
    """Predict new battles with the cross encoder of each fold, which has seen no label of it.

    Returns:
        One row per fold and battle: id, fold and the logits; only the column id if fine-tuning is switched off. Errors
        are those of ``predict_oof_logits``.
    """
    tables = [
        _make_table(
            battles,
            _predict(
                battles,
                _load_cross_encoder(cross_encoder_store, cross_encoders, model, config),
                _name(model["fold"]),
                config.device.tokens,
            ),
        ).assign(fold=model["fold"])
        for model in cross_encoders.get("models", [])
        if model["fold"] != ALL_FOLDS
    ]
    return pd.concat(tables, ignore_index=True) if tables else battles[[ID]].reset_index(drop=True)


def _train_model(
    store: ModelStore, key: str, battles: pd.DataFrame, config: FinetuningConfig, seed: int, name: str
) -> Path:
    # Training needs libraries that are slow to import, and an extra.
    from .trainer import MODEL, TrainingJob, count_processes, launch, train, write_job

    if store.find(key) is None:
        with store.work_on(key) as folder:
            # Another run may have trained it while this one waited.
            if store.find(key) is None:
                logger.info("%s: training on %d battles", name, len(battles))
                write_job(folder, TrainingJob(name=name, config=config, seed=seed), battles)
                if (processes := count_processes(config)) == 1:
                    train(folder)
                else:
                    launch(folder, processes)
                return store.commit(key, folder / MODEL)
    logger.info("%s: already trained", name)
    return store.path / key


def _load_cross_encoder(
    store: ModelStore, trained: CrossEncoders, model: dict[str, Any], config: FinetuningConfig
) -> "TrainedCrossEncoder":
    from .trainer import TrainedCrossEncoder

    name, folder = _name(model["fold"]), store.find(model["key"])
    if folder is None or store.hash(model["key"]) != model["files"]:
        raise ValueError(
            f"The cross encoder of {name} is {'missing' if folder is None else 'not the one that was trained'}: "
            f"'{store.path / model['key']}'. Restore it, or run the pipeline finetuning again."
        )
    # The trained parameters, with the current device and location of the pretrained model.
    current = config.model_dump(include=_NOT_LEARNED | {"model", "revision"})
    config = FinetuningConfig.model_validate({**trained["config"], **current})
    if config.method != "full" and hash_model(find_model(config.model, config.revision)) != trained["base"]:
        raise ValueError(
            f"The adapters of {name} were trained on {trained['config']['model']} (revision "
            f"{trained['config']['revision']}), and {config.model} (revision {config.revision}) has other files. Set "
            "finetuning.preset, or finetuning.model and finetuning.revision, as in that training."
        )
    return TrainedCrossEncoder(folder, config)


def _predict(battles: pd.DataFrame, cross_encoder: "TrainedCrossEncoder", name: str, tokens: int) -> FloatArray:
    """Logits of one model, shape (n, 3)."""
    logger.info("%s: predicting %d battles", name, len(battles))
    # A battle and its swap become the same input, so that their logits are the same bits.
    a, b = (battles[column].to_numpy() for column in TEXT_COLUMNS[1:])
    swapped = np.array([_to_text(one) > _to_text(other) for one, other in zip(a, b, strict=True)])
    ordered = battles.assign(response_a=np.where(swapped, b, a), response_b=np.where(swapped, a, b))
    logits = cross_encoder.predict(ordered, tokens)
    return np.where(swapped[:, None], swap_probabilities(logits), logits)


def _make_table(battles: pd.DataFrame, logits: FloatArray) -> pd.DataFrame:
    columns = dict(zip(LABEL_COLUMNS, logits.T.astype(np.float32), strict=True))
    return pd.DataFrame({ID: battles[ID].to_numpy(), **columns})


def _read_history(folder: Path) -> list[dict[str, Any]]:
    from .trainer import HISTORY

    entries = json.loads((folder / HISTORY).read_text(encoding="utf-8"))
    # The last entry is the Trainer's summary.
    return [
        {"step": each["step"], "epoch": each["epoch"], "loss": each.get("loss"), "log_loss": each.get("eval_log_loss")}
        for each in entries
        if "loss" in each or "eval_log_loss" in each
    ]


def _make_key(battles: pd.DataFrame, config: FinetuningConfig, base: str, seed: int) -> str:
    """Hash everything that the result of a training depends on."""
    digest = hashlib.sha256(f"{config.model_dump_json(exclude=_NOT_LEARNED)} {base} {seed}\n".encode())
    votes = read_votes(battles)
    if not are_plain(votes):
        digest.update(votes.tobytes())
    for *texts, label, group in battles[[*TEXT_COLUMNS, "label", "prompt_group"]].itertuples(index=False):
        digest.update(f"{label} {group} {[_to_text(turns) for turns in texts]}\n".encode())
    return digest.hexdigest()[:32]


def _hash_folds(labels: pd.DataFrame) -> str:
    """Hash the fold of each battle, whatever the order of the rows."""
    folds = json.dumps(sorted(zip(labels[ID], labels["fold"].tolist(), strict=True)))
    return hashlib.sha256(folds.encode()).hexdigest()[:32]


def _to_text(turns: Sequence[str | None]) -> str:
    return json.dumps(list(turns))


def _name(fold: int) -> str:
    return "all folds" if fold == ALL_FOLDS else f"fold {fold}"


def _check_installed(config: FinetuningConfig) -> None:
    required = {"accelerate": "finetuning", "peft": "finetuning"}
    if config.method == "qlora":
        required["bitsandbytes"] = "finetuning-4bit"
    for module, extra in required.items():
        if find_spec(module) is None:
            raise ModuleNotFoundError(
                f"{module} is not installed, and the pipeline finetuning needs it: pip install "
                f"'arena-preference[{extra}]', or set finetuning.enabled to false."
            )
