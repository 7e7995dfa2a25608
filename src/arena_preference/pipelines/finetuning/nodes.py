"""Nodes of the pipeline ``finetuning``."""

import hashlib
import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from arena_preference.battles import ID, LABEL_COLUMNS, N_CLASSES, TEXT_COLUMNS, FloatArray, align_rows
from arena_preference.datasets import ModelStore
from arena_preference.pretrained import find_model, hash_model
from arena_preference.symmetry import swap_probabilities

from .config import FinetuningConfig

logger = logging.getLogger(__name__)

#: The parameters that they were trained with, the hashes of the published model's files and of the folds, and
#: ``models``: of each training its fold, its key in the store and the hash of its files. Empty where fine-tuning is
#: switched off.
CrossEncoders = dict[str, Any]

#: The fold of a model that was trained on all of them.
ALL_FOLDS: Final = -1

# What changes how fast a model is trained, or whether, but not which model it becomes.
_NOT_LEARNED: Final = {"enabled", "refit", "device"}
_SIDES: Final = TEXT_COLUMNS[1:]


def train_cross_encoders(
    battles: pd.DataFrame, labels: pd.DataFrame, cross_encoder_store: ModelStore, options: FinetuningConfig, seed: int
) -> tuple[CrossEncoders, pd.DataFrame]:
    """Train a cross encoder on the battles outside each fold, and one on all of them if ``options.refit`` asks for it.

    A model is identified by all that it depends on: what is in the store is not trained again, and a training that was
    killed goes on from its last checkpoint.

    Args:
        battles: Training battles, schema ``Battles`` with label.
        labels: Schema ``Labels``.
        cross_encoder_store: What was trained before; it grows.
        options: Parameters ``finetuning``.
        seed: The project's seed; the training of a fold takes it plus the fold's number.

    Returns:
        Which models these are; and the course of their training: ``fold``, ``step``, ``epoch``, and ``loss`` on the
        battles that are learned from or ``log_loss`` on those set aside.

    Raises:
        ModuleNotFoundError: If the extra [finetuning] is not installed.
        FileNotFoundError: If the published model is not to be found.
        ValueError: If it is damaged, not all there, or not fit for the parameters, or the folds are of other battles.
        RuntimeError: If one of several processes failed, or the device asked for is not there.
    """
    columns = ["fold", "step", "epoch", "loss", "log_loss"]
    if not options.enabled:
        return {}, pd.DataFrame(columns=columns, dtype=float)
    _check_installed(options)
    base = hash_model(find_model(options.model, options.revision))
    fold = align_rows(labels, battles[ID], "labels")["fold"].to_numpy()
    numbers = [*np.unique(fold).tolist(), *([ALL_FOLDS] if options.refit else [])]
    models, history = [], []
    for number in numbers:
        outside = battles[fold != number].reset_index(drop=True)
        of_fold = (seed + number) % 2**32
        key = _identify(outside, options, base, of_fold)
        folder = _train_one(cross_encoder_store, key, outside, options, of_fold, _name(number))
        models.append({"fold": number, "key": key, "files": cross_encoder_store.hash(key)})
        history.append(_read_history(folder, columns).assign(fold=number))
    described = {
        "options": options.model_dump(exclude=_NOT_LEARNED),
        "base": base,
        "folds": _hash_folds(labels),
        "models": models,
    }
    return described, pd.concat(history, ignore_index=True)[columns]


def predict_oof_logits(
    battles: pd.DataFrame,
    labels: pd.DataFrame,
    cross_encoder_store: ModelStore,
    cross_encoders: CrossEncoders,
    options: FinetuningConfig,
) -> pd.DataFrame:
    """Let each battle be scored, in both orders, by the cross encoder that was not trained on its fold.

    Args:
        battles: Training battles, schema ``Battles``.
        labels: Schema ``Labels``.
        cross_encoder_store: Where the models are.
        cross_encoders: What ``train_cross_encoders`` gave.
        options: Parameters ``finetuning``; of them, the place of the published model and the device.

    Returns:
        Schema ``Logits``, one row per battle. Only the column id where fine-tuning is switched off.

    Raises:
        ValueError: If the folds are others, or a model, its head or its adapters are missing or are not those that were
            trained.
        FloatingPointError: If the precision overflows.
    """
    if not cross_encoders:
        return battles[[ID]].reset_index(drop=True)
    fold = align_rows(labels, battles[ID], "labels")["fold"].to_numpy()
    if _hash_folds(labels) != cross_encoders["folds"]:
        raise ValueError(
            "The folds are not those that the cross encoders were trained for, so some would score battles that they "
            "have learned from. Run the pipeline finetuning again, or name the versions of one run with "
            "--load-versions."
        )
    scores = np.full((len(battles), N_CLASSES), np.nan)
    for model in cross_encoders["models"]:
        held_out = fold == model["fold"]
        if held_out.any():
            scores[held_out] = _score(battles[held_out], cross_encoder_store, cross_encoders, model, options)
    return _tabulate(battles, scores)


def predict_test_logits(
    battles: pd.DataFrame,
    cross_encoder_store: ModelStore,
    cross_encoders: CrossEncoders,
    options: FinetuningConfig,
) -> pd.DataFrame:
    """Let new battles be scored, in both orders, by the cross encoder of all folds, or by the average of the folds'.

    Args:
        battles: One row per battle, schema ``Battles``.
        cross_encoder_store: Where the models are.
        cross_encoders: What ``train_cross_encoders`` gave.
        options: Parameters ``finetuning``; of them, the place of the published model and the device.

    Returns:
        Schema ``Logits``, as ``predict_oof_logits`` gives it.

    Raises:
        ValueError: If a model, its head or its adapters are missing or are not those that were trained.
    """
    if not cross_encoders:
        return battles[[ID]].reset_index(drop=True)
    models = cross_encoders["models"]
    chosen = [model for model in models if model["fold"] == ALL_FOLDS] or models
    scores = [_score(battles, cross_encoder_store, cross_encoders, model, options) for model in chosen]
    return _tabulate(battles, np.mean(scores, axis=0))


def _train_one(
    store: ModelStore, key: str, battles: pd.DataFrame, options: FinetuningConfig, seed: int, name: str
) -> Path:
    from .training import MODEL, TrainingJob, count_processes, train, write_job

    if store.find(key) is None:
        with store.work_on(key) as folder:
            # Another run may have made it while this one waited.
            if store.find(key) is None:
                logger.info("%s: training on %d battles", name, len(battles))
                write_job(folder, TrainingJob(name=name, options=options, seed=seed), battles)
                processes = count_processes(options)
                if processes == 1:
                    train(folder)
                else:
                    _launch(folder, processes)
                return store.commit(key, folder / MODEL)
    logger.info("%s: is in the store already", name)
    return store.path / key


def _launch(folder: Path, processes: int) -> None:
    """Train in several processes, each on its device; if one fails, all go on from the last checkpoint, once.

    The launcher is PyTorch's: accelerate's own calls it where there are CUDA devices, and wants MPI on CPUs. Processes
    that it restarts itself find the addresses of those that failed (PyTorch 2.13), so it is started anew.
    """
    module = f"{__package__}.training"
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    for attempt in (1, 2):
        worker = subprocess.Popen([sys.executable, *launcher, "-m", module, str(folder)])  # noqa: S603
        try:
            status = worker.wait()
        except BaseException:
            # The launcher ends its processes with itself.
            worker.terminate()
            worker.wait()
            raise
        if not status:
            return
        if attempt == 1:
            logger.warning("one of %d processes failed; all go on from the last checkpoint", processes)
    raise RuntimeError(
        f"One of {processes} processes that train in '{folder}' failed, twice; what it said stands above. Where that "
        "is the devices' connection, set finetuning.device.processes to 1."
    )


def _score(
    battles: pd.DataFrame, store: ModelStore, trained: CrossEncoders, model: dict[str, Any], options: FinetuningConfig
) -> FloatArray:
    """Give the logits of each battle by one model, shape (n, 3)."""
    from .training import predict

    folder = store.find(model["key"])
    if folder is None or store.hash(model["key"]) != model["files"]:
        raise ValueError(
            f"The cross encoder of {_name(model['fold'])} is {'not there' if folder is None else 'not what it was'}: "
            f"'{store.path / model['key']}'. Put it back, or run the pipeline finetuning again."
        )
    # What was learned decides; these parameters say where it is done and where the published model is.
    here = options.model_dump(include=_NOT_LEARNED | {"model", "revision"})
    chosen = FinetuningConfig.model_validate({**trained["options"], **here})
    if chosen.method != "full" and hash_model(find_model(chosen.model, chosen.revision)) != trained["base"]:
        raise ValueError(
            f"The adapters of {_name(model['fold'])} were trained on {trained['options']['model']} (revision "
            f"{trained['options']['revision']}), and {chosen.model} (revision {chosen.revision}) has other files. Set "
            "finetuning.model and finetuning.revision to the model of that training."
        )
    logger.info("%s: scoring %d battles", _name(model["fold"]), len(battles))
    # Whichever way round a battle comes, the model reads the same, so that the scores of its swap are the same bits.
    a, b = (battles[column].to_numpy() for column in _SIDES)
    exchanged = np.array([_as_text(one) > _as_text(other) for one, other in zip(a, b, strict=True)])
    upright = pd.DataFrame(
        {"prompt": battles["prompt"], "response_a": np.where(exchanged, b, a), "response_b": np.where(exchanged, a, b)}
    )
    logits = predict(folder, chosen, upright)
    return np.where(exchanged[:, None], swap_probabilities(logits), logits)


def _tabulate(battles: pd.DataFrame, scores: FloatArray) -> pd.DataFrame:
    table = pd.DataFrame(scores.astype(np.float32), columns=list(LABEL_COLUMNS))
    table.insert(0, ID, battles[ID].to_numpy())
    return table


def _read_history(folder: Path, columns: list[str]) -> pd.DataFrame:
    from .training import HISTORY

    entries = pd.DataFrame(json.loads((folder / HISTORY).read_text(encoding="utf-8")))
    entries = entries.rename(columns={"eval_log_loss": "log_loss"}).reindex(columns=columns)
    # The last entry is the Trainer's summary.
    return entries.dropna(subset=["loss", "log_loss"], how="all").astype(float)


def _identify(battles: pd.DataFrame, options: FinetuningConfig, base: str, seed: int) -> str:
    """Hash all that a training's result depends on."""
    digest = hashlib.sha256(f"{options.model_dump_json(exclude=_NOT_LEARNED)} {base} {seed}\n".encode())
    for *texts, label, group in battles[[*TEXT_COLUMNS, "label", "prompt_group"]].itertuples(index=False):
        digest.update(f"{label} {group} {[_as_text(turns) for turns in texts]}\n".encode())
    return digest.hexdigest()[:32]


def _hash_folds(labels: pd.DataFrame) -> str:
    """Hash which battle lies in which fold, whatever the order of the rows."""
    ordered = labels.sort_values(ID)
    digest = hashlib.sha256(ordered[ID].to_numpy(dtype=np.int64).tobytes())
    digest.update(ordered["fold"].to_numpy(dtype=np.int8).tobytes())
    return digest.hexdigest()[:32]


def _as_text(turns: Sequence[str | None]) -> str:
    return json.dumps(list(turns))


def _name(fold: int) -> str:
    return "all folds" if fold == ALL_FOLDS else f"fold {fold}"


def _check_installed(options: FinetuningConfig) -> None:
    wanted = {"accelerate": "finetuning", "peft": "finetuning"}
    if options.method == "qlora":
        wanted["bitsandbytes"] = "finetuning-4bit"
    for module, extra in wanted.items():
        if find_spec(module) is None:
            raise ModuleNotFoundError(
                f"{module} is not installed, and the pipeline finetuning needs it: pip install "
                f"'arena-preference[{extra}]', or set finetuning.enabled to false."
            )
