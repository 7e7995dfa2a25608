"""Training and prediction with transformers' Trainer, in one process or several.

A training has a folder for its job and its checkpoints, from which an interrupted training resumes. Each of several
processes runs this module: ``torchrun --nproc-per-node=2 -m arena_preference.pipelines.finetuning.trainer FOLDER``.
"""

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from accelerate.utils.memory import clear_device_cache
from pydantic import BaseModel
from scipy.special import softmax
from sklearn.model_selection import GroupShuffleSplit
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence
from transformers import EvalPrediction, PrinterCallback, Trainer, TrainerCallback, TrainingArguments, set_seed

from arena_preference.battles import N_CLASSES, FloatArray
from arena_preference.device import avoid_cudnn_attention, select_devices, select_dtype
from arena_preference.metrics import compute_losses
from arena_preference.pretrained import find_model, load_tokenizer, quiet_transformers
from arena_preference.targets import are_plain, read_votes

from .callbacks import LOG_LOSS, CommitCheckpoint, EarlyStopping, ProgressLog, find_checkpoint
from .config import FinetuningConfig
from .tokenization import BattleTokenizer, Inputs
from .weights import load_base, load_trained, save_trained

logger = logging.getLogger(__name__)

_JOB: Final = "job.json"
_BATTLES: Final = "battles.parquet"
_CHECKPOINTS: Final = "checkpoints"
#: Folder of the trained model, inside that of the training.
MODEL: Final = "model"
#: The Trainer's log as JSON, inside the folder of the model.
HISTORY: Final = "history.json"
# Battles to predict are padded to multiples of this width.
_WIDTH_STEP: Final = 16


class TrainingJob(BaseModel):
    """What a training depends on besides its battles, and its name in the log."""

    name: str
    config: FinetuningConfig
    seed: int


def write_job(folder: Path, job: TrainingJob, battles: pd.DataFrame) -> None:
    """Prepare a folder for ``train``; checkpoints in it are kept. The battles have the columns of their labels."""
    folder.mkdir(parents=True, exist_ok=True)
    battles.to_parquet(folder / _BATTLES, index=False)
    (folder / _JOB).write_text(job.model_dump_json(indent=2), encoding="utf-8")


def train(folder: Path, callbacks: Sequence[TrainerCallback] = ()) -> None:
    """Train the cross encoder of a job, resuming from its last checkpoint, and write it to the folder ``MODEL``.

    The log loss on held-out prompt groups decides which checkpoint is kept.

    Args:
        folder: Prepared by ``write_job``; the same for all processes.
        callbacks: Further callbacks of the Trainer, called after the project's own.
    """
    avoid_cudnn_attention()
    clear_device_cache(garbage_collection=True)
    job = TrainingJob.model_validate_json((folder / _JOB).read_text(encoding="utf-8"))
    config = job.config
    battles = pd.read_parquet(folder / _BATTLES)
    tokenizer = load_tokenizer(find_model(config.model, config.revision))
    inputs = BattleTokenizer(tokenizer, config).tokenize(battles)
    splitter = GroupShuffleSplit(1, test_size=config.training.validation_fraction, random_state=job.seed)
    training, validation = next(splitter.split(battles, groups=battles["prompt_group"]))
    labels = _list_labels(read_votes(battles))

    def select(rows: npt.NDArray[np.intp], orders: int) -> list[dict[str, Any]]:
        return [{"inputs": inputs[row][:orders], "labels": labels[row]} for row in rows]

    arguments = make_arguments(config, folder / _CHECKPOINTS, job.seed, battles=len(training))
    set_seed(job.seed)
    model = load_base(config, find_dtype(config), arguments.device)
    trainer = _make_trainer(
        model,
        arguments,
        train_dataset=select(training, config.training_orders),
        eval_dataset=select(_sort_by_length(inputs, validation), 2),
        compute_metrics=_compute_log_loss,
        callbacks=[CommitCheckpoint(), EarlyStopping(config.training.patience), ProgressLog(job.name), *callbacks],
    )
    with arguments.main_process_first(desc="find the checkpoint"):
        checkpoint = find_checkpoint(folder / _CHECKPOINTS)
    if checkpoint and trainer.is_world_process_zero():
        logger.info("%s: resuming from %s", job.name, Path(checkpoint).name)
    with quiet_transformers():
        trainer.train(resume_from_checkpoint=checkpoint)
    if trainer.is_world_process_zero():
        # A run that was killed while it wrote the model has left files.
        shutil.rmtree(folder / MODEL, ignore_errors=True)
        save_trained(model, tokenizer, folder / MODEL)
        shutil.copyfile(folder / _JOB, folder / MODEL / _JOB)
        (folder / MODEL / HISTORY).write_text(json.dumps(trainer.state.log_history), encoding="utf-8")
    # Threads of the connection between processes may crash the interpreter if they outlive it.
    arguments.distributed_state.wait_for_everyone()
    arguments.distributed_state.destroy_process_group()


def launch(folder: Path, processes: int, program: Sequence[str] = ("-m", f"{__package__}.trainer")) -> None:
    """Train in several processes; if one fails, all resume from the last checkpoint, once.

    The launcher is PyTorch's: accelerate's calls it for CUDA devices, and needs MPI on CPUs. Processes that it restarts
    itself use the addresses of those that failed (PyTorch 2.13), so the launcher is restarted.

    Args:
        folder: Prepared by ``write_job``.
        processes: Number of processes.
        program: A module (``-m name``) or script that each process runs; its argument is the folder.

    Raises:
        RuntimeError: If a process fails again.
    """
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    for attempt in (1, 2):
        worker = subprocess.Popen([sys.executable, *launcher, *program, str(folder)])  # noqa: S603
        try:
            status = worker.wait()
        except BaseException:
            # The launcher stops its processes with itself.
            worker.terminate()
            worker.wait()
            raise
        if not status:
            return
        if attempt == 1:
            logger.warning("one of %d processes failed; all resume from the last checkpoint", processes)
    raise RuntimeError(
        f"One of {processes} processes that train in '{folder}' failed twice; its error is above. If that is about the "
        "connection of the devices, set finetuning.device.processes to 1."
    )


class TrainedCrossEncoder:
    """A trained cross encoder, ready to predict."""

    def __init__(self, folder: Path, config: FinetuningConfig) -> None:
        """Load the cross encoder in a folder, which was trained with these parameters.

        Raises:
            ValueError: If a file, a head or an adapter is missing, corrupted, or of another shape than the parameters
                say.
        """
        avoid_cudnn_attention()
        clear_device_cache(garbage_collection=True)
        self._folder, self._config = folder, config
        self._tokenizer = BattleTokenizer(load_tokenizer(folder), config)
        # Nothing is written to output_dir.
        arguments = TrainingArguments(output_dir=str(folder), **_describe_device(config))
        if config.method == "qlora":
            # 4-bit weights do not support DataParallel, which the Trainer uses for several devices in one process.
            arguments._n_gpu = min(1, arguments.n_gpu)
        model = load_trained(folder, config, find_dtype(config), arguments.device)
        self._trainer = _make_trainer(model, arguments)

    def predict(self, battles: pd.DataFrame, tokens: int) -> FloatArray:
        """Predict battles, each in both orders, with about so many tokens in a pass, or one battle.

        Returns:
            Logits, float64, shape (n, 3).

        Raises:
            FloatingPointError: If the dtype overflows.
        """
        self._trainer.args.per_device_eval_batch_size = _count_in_pass(self._config, tokens)
        inputs = self._tokenizer.tokenize(battles)
        widths = np.array([self._padded_width(max(map(len, of_battle))) for of_battle in inputs])
        logits = np.empty((len(inputs), N_CLASSES))
        with quiet_transformers(), torch.random.fork_rng():
            # How logits are rounded depends on the padded width: one that a batch shares is that of each battle alone.
            for width in -np.unique(-widths):
                rows = np.flatnonzero(widths == width)
                items: Any = [{"inputs": inputs[row], "width": width} for row in rows]
                logits[rows] = self._trainer.predict(items).predictions
        if not np.isfinite(logits).all():
            raise FloatingPointError(
                f"The cross encoder in '{self._folder}' returns logits that are not finite in "
                f"{find_dtype(self._config)}. Set finetuning.device.dtype to float32 or, if the device supports it, to "
                "bfloat16."
            )
        return logits

    def _padded_width(self, tokens: int) -> int:
        return min(tokens + -tokens % _WIDTH_STEP, max(tokens, self._config.input.max_tokens))


def collate(items: Sequence[dict[str, Any]], pad_token: int) -> dict[str, torch.Tensor]:
    """Make a batch of battles, padded on the right to the longest input or to a width.

    Args:
        items: ``inputs``, the arrays of token ids of a battle, and optionally ``labels``, a class or votes for each, or
            ``width``, the same for all.
        pad_token: Id of the padding token.

    Returns:
        ``input_ids`` and ``attention_mask``, shape (battles, inputs, tokens), and ``labels`` if the items have them.
    """
    tokens = [torch.from_numpy(ids).long() for item in items for ids in item["inputs"]]
    masks = [torch.ones_like(ids) for ids in tokens]
    missing = max(0, items[0].get("width", 0) - max(map(len, tokens)))
    batch = {
        name: pad(pad_sequence(rows, batch_first=True, padding_value=filler), (0, missing), value=filler).unflatten(
            0, (len(items), -1)
        )
        for name, rows, filler in (("input_ids", tokens, pad_token), ("attention_mask", masks, 0))
    }
    if "labels" in items[0]:
        batch["labels"] = torch.tensor([item["labels"] for item in items])
    return batch


def make_arguments(config: FinetuningConfig, folder: Path, seed: int, battles: int) -> TrainingArguments:
    """Parameters of a training on a number of battles, in the Trainer's terms; checkpoints go to the folder."""
    training = config.training
    every = max(1, -(-battles // training.batch_size) // training.evaluations_per_epoch)
    arguments = TrainingArguments(
        output_dir=str(folder),
        seed=seed,
        num_train_epochs=training.epochs,
        learning_rate=training.learning_rate,
        warmup_steps=training.warmup_steps,
        weight_decay=training.weight_decay,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        # Otherwise a resumed training would have its whole patience again.
        restore_callback_states_from_checkpoint=True,
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{LOG_LOSS}",
        greater_is_better=False,
        logging_steps=max(1, every // 4),
        include_num_input_tokens_seen="non_padding",
        **_describe_device(config),
    )
    # The battles of a step are shared by all devices, and accumulated as far as they do not fit at once.
    devices = arguments.world_size * max(1, arguments.n_gpu)
    at_once = max(1, config.device.tokens // (config.input.max_tokens * config.training_orders))
    per_device = -(-training.batch_size // devices)
    arguments.gradient_accumulation_steps = -(-per_device // at_once)
    arguments.per_device_train_batch_size = -(-per_device // arguments.gradient_accumulation_steps)
    return arguments


def count_processes(config: FinetuningConfig) -> int:
    """Number of processes that share each step."""
    devices = select_devices(config.device.kind)
    return config.device.processes or (len(devices) if devices[0].type == "cuda" else 1)


def find_dtype(config: FinetuningConfig) -> torch.dtype:
    """Dtype of matrix products; on MPS float32, because the Trainer has no mixed precision there."""
    devices = select_devices(config.device.kind)
    if config.device.dtype == "auto" and devices[0].type == "mps":
        return torch.float32
    return select_dtype(devices, config.device.dtype)


def _make_trainer(model: Any, arguments: TrainingArguments, **kwargs: Any) -> Trainer:
    pad_token = model.config.get_text_config().pad_token_id or 0
    trainer = Trainer(model=model, args=arguments, data_collator=partial(collate, pad_token=pad_token), **kwargs)
    trainer.remove_callback(PrinterCallback)
    return trainer


def _describe_device(config: FinetuningConfig) -> dict[str, Any]:
    dtype, kind = find_dtype(config), select_devices(config.device.kind)[0].type
    return {
        "bf16": dtype == torch.bfloat16,
        "fp16": dtype == torch.float16,
        "use_cpu": kind == "cpu",
        "dataloader_pin_memory": kind == "cuda",
        # The launcher sets WORLD_SIZE.
        "ddp_backend": {"cpu": "gloo", "cuda": "nccl"}.get(kind) if "WORLD_SIZE" in os.environ else None,
        "ddp_find_unused_parameters": False,
        "per_device_eval_batch_size": _count_in_pass(config, config.device.tokens),
        "label_names": ["labels"],
        "remove_unused_columns": False,
        "disable_tqdm": True,
        "report_to": "none",
    }


def _count_in_pass(config: FinetuningConfig, tokens: int) -> int:
    """Number of battles, each in both orders, in a pass of so many tokens."""
    return max(1, tokens // (config.input.max_tokens * 2))


def _sort_by_length(inputs: Sequence[Inputs], rows: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Order rows from the longest input to the shortest, so that batches have little padding."""
    lengths = np.array([max(map(len, inputs[row])) for row in rows])
    return rows[np.argsort(-lengths, kind="stable")]


def _list_labels(votes: FloatArray) -> list[Any]:
    """Class of each battle; its votes if some have soft labels or weights, scaled so that battles have 1 on average."""
    labels = votes.argmax(axis=1) if are_plain(votes) else votes * len(votes) / votes.sum()
    return labels.tolist()


def _compute_log_loss(output: EvalPrediction) -> dict[str, float]:
    probabilities, labels = softmax(np.asarray(output.predictions, dtype=float), axis=1), np.asarray(output.label_ids)
    votes = np.eye(N_CLASSES)[labels] if labels.ndim == 1 else labels
    return {LOG_LOSS: float(compute_losses(probabilities, votes).sum() / votes.sum())}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    train(Path(sys.argv[1]))
