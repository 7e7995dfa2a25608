"""Training a cross encoder in a folder of its own, in one process or several, with transformers' Trainer.

The folder holds the job, and the checkpoints from which a killed training goes on. Run as a module, it is what each of
several processes does: ``torchrun --nproc-per-node=2 -m arena_preference.pipelines.finetuning.training FOLDER``.
"""

import json
import logging
import os
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from accelerate import PartialState
from accelerate.utils.memory import clear_device_cache
from pydantic import BaseModel, ConfigDict
from scipy.special import softmax
from sklearn.model_selection import GroupShuffleSplit
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    set_seed,
)

from arena_preference.battles import N_CLASSES
from arena_preference.device import avoid_cudnn_attention, select_devices, select_dtype
from arena_preference.metrics import compute_losses
from arena_preference.pretrained import find_model, quiet_transformers

from .batches import BattleInputs, Collator, sort_by_length
from .config import FinetuningConfig
from .inputs import BattleReader
from .models import load_base, load_tokenizer, load_trained, save_trained
from .progress import LOG_LOSS, ProgressLog

logger = logging.getLogger(__name__)

_JOB: Final = "job.json"
_BATTLES: Final = "battles.parquet"
_CHECKPOINTS: Final = "checkpoints"
#: Where the trained model is when all is done.
MODEL: Final = "model"
#: What is known of the training, inside the folder of the model.
HISTORY: Final = "history.json"


class TrainingJob(BaseModel):
    """What one training depends on, besides its battles."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """For the log."""
    options: FinetuningConfig
    seed: int


class EarlyStopping(EarlyStoppingCallback):
    """Ends a training whose log loss no longer falls; one that was killed when it had just ended does not go on."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop at once where patience is at an end already."""
        super().on_train_begin(args, state, control, **kwargs)
        if self.early_stopping_patience_counter >= self.early_stopping_patience:
            control.should_training_stop = True


def write_job(folder: Path, job: TrainingJob, battles: pd.DataFrame) -> None:
    """Make a folder ready for ``train``; one that is there already keeps its checkpoints."""
    folder.mkdir(parents=True, exist_ok=True)
    battles.to_parquet(folder / _BATTLES, index=False)
    (folder / _JOB).write_text(job.model_dump_json(indent=2), encoding="utf-8")


def train(folder: Path) -> None:
    """Train the cross encoder of a job, from its last checkpoint if there is one, and write it to the folder ``MODEL``.

    A part of the battles, in whole prompt groups, is set aside: the log loss there decides which checkpoint is kept.

    Args:
        folder: What ``write_job`` made ready. Each of several processes gets the same one.

    Raises:
        ValueError: If the model is damaged, not all there, or not fit for the parameters.
        FileNotFoundError: If it is not to be found.
    """
    avoid_cudnn_attention()
    clear_device_cache(garbage_collection=True)
    job = TrainingJob.model_validate_json((folder / _JOB).read_text(encoding="utf-8"))
    options = job.options
    battles = pd.read_parquet(folder / _BATTLES)
    tokenizer = load_tokenizer(find_model(options.model, options.revision))
    inputs = BattleReader(tokenizer, options).read(battles)
    labels = battles["label"].to_numpy()
    splitter = GroupShuffleSplit(1, test_size=options.training.validation_fraction, random_state=job.seed)
    learned, set_aside = next(splitter.split(battles, groups=battles["prompt_group"]))
    # In the order of their lengths, so that a batch has little padding.
    set_aside = sort_by_length(inputs, set_aside)

    orders = 2 if options.head == "comparison" or options.training.both_orders else 1
    arguments = make_arguments(options, folder / _CHECKPOINTS, job.seed, battles=len(learned), orders=orders)
    set_seed(job.seed)
    model = load_base(options, find_dtype(options), arguments.device)
    trainer = Trainer(
        model=model,
        args=arguments,
        data_collator=Collator(find_filler(model)),
        train_dataset=BattleInputs([inputs[row] for row in learned], labels[learned], orders),
        eval_dataset=BattleInputs([inputs[row] for row in set_aside], labels[set_aside]),
        compute_metrics=_measure,
        callbacks=[EarlyStopping(options.training.patience), ProgressLog(job.name)],
    )
    trainer.remove_callback(PrinterCallback)
    with arguments.main_process_first(desc="look for checkpoints"):
        checkpoint = find_checkpoint(folder / _CHECKPOINTS)
    if checkpoint and trainer.is_world_process_zero():
        logger.info("%s: going on from %s", job.name, Path(checkpoint).name)
    with quiet_transformers():
        trainer.train(resume_from_checkpoint=checkpoint)
    if trainer.is_world_process_zero():
        # What is left of an earlier try to write it would be stored with it.
        shutil.rmtree(folder / MODEL, ignore_errors=True)
        save_trained(model, tokenizer, folder / MODEL)
        shutil.copyfile(folder / _JOB, folder / MODEL / _JOB)
        (folder / MODEL / HISTORY).write_text(json.dumps(trainer.state.log_history), encoding="utf-8")


def predict(folder: Path, options: FinetuningConfig, battles: pd.DataFrame) -> npt.NDArray[Any]:
    """Score battles in both orders.

    Args:
        folder: Of a trained cross encoder.
        options: The parameters that it was trained with.
        battles: One row per battle, schema ``Battles``.

    Returns:
        Logits, float64, shape (n, 3).

    Raises:
        ValueError: If a file, a head or an adapter is missing, damaged, or of another shape than the parameters say.
        FloatingPointError: If the precision overflows.
    """
    avoid_cudnn_attention()
    clear_device_cache(garbage_collection=True)
    inputs = BattleReader(load_tokenizer(folder), options).read(battles)
    order = sort_by_length(inputs, np.arange(len(inputs)))
    # Nothing is written there.
    arguments = TrainingArguments(output_dir=str(folder), **_describe_device(options))
    if options.method == "qlora":
        # Copies on several devices, which the Trainer would make in one process, weights in 4 bits do not allow.
        arguments._n_gpu = min(1, arguments.n_gpu)
    model = load_trained(folder, options, find_dtype(options), arguments.device)
    trainer = Trainer(model=model, args=arguments, data_collator=Collator(find_filler(model)))
    trainer.remove_callback(PrinterCallback)
    with quiet_transformers(), torch.random.fork_rng():
        found = trainer.predict(BattleInputs([inputs[row] for row in order], None))
    logits = np.empty((len(inputs), N_CLASSES))
    logits[order] = found.predictions
    if not np.isfinite(logits).all():
        raise FloatingPointError(
            f"The cross encoder in '{folder}' gives numbers that are not finite in {find_dtype(options)}. Set "
            "finetuning.device.precision to float32 or, where the device can do it, to bfloat16."
        )
    return logits


def make_arguments(options: FinetuningConfig, folder: Path, seed: int, battles: int, orders: int) -> TrainingArguments:
    """Say in transformers' words how to train.

    Args:
        options: Parameters ``finetuning``.
        folder: For checkpoints.
        seed: Of this training.
        battles: How many are learned from.
        orders: Inputs of each battle in training.
    """
    training = options.training
    steps_per_epoch = -(-battles // training.batch_size)
    steps = max(1, round(steps_per_epoch * training.epochs))
    every = max(1, steps_per_epoch // training.evaluations_per_epoch)
    arguments = TrainingArguments(
        output_dir=str(folder),
        seed=seed,
        num_train_epochs=training.epochs,
        learning_rate=training.learning_rate,
        warmup_steps=round(training.warmup * steps) if training.warmup < 1 else round(training.warmup),
        weight_decay=training.weight_decay,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        # Else a training that goes on would have its whole patience again.
        restore_callback_states_from_checkpoint=True,
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{LOG_LOSS}",
        greater_is_better=False,
        logging_steps=max(1, every // 4),
        include_num_input_tokens_seen="non_padding",
        **_describe_device(options),
    )
    # How many battles of a step fall to a device hangs on the number of processes that take part.
    sharing = arguments.world_size * max(1, arguments.n_gpu)
    at_once = max(1, options.device.tokens // (options.input.max_tokens * orders))
    per_device = -(-training.batch_size // sharing)
    arguments.gradient_accumulation_steps = -(-per_device // at_once)
    arguments.per_device_train_batch_size = -(-per_device // arguments.gradient_accumulation_steps)
    return arguments


def _describe_device(options: FinetuningConfig) -> dict[str, Any]:
    dtype, kind = find_dtype(options), select_devices(options.device.kind)[0].type
    return {
        "bf16": dtype == torch.bfloat16,
        "fp16": dtype == torch.float16,
        "use_cpu": kind == "cpu",
        "dataloader_pin_memory": kind == "cuda",
        # The launcher tells its processes how many they are.
        "ddp_backend": {"cpu": "gloo", "cuda": "nccl"}.get(kind) if "WORLD_SIZE" in os.environ else None,
        "ddp_find_unused_parameters": False,
        "per_device_eval_batch_size": max(1, options.device.tokens // (options.input.max_tokens * 2)),
        "label_names": ["labels"],
        "remove_unused_columns": False,
        "disable_tqdm": True,
        "report_to": "none",
    }


def count_processes(options: FinetuningConfig) -> int:
    """Tell how many processes share each step."""
    devices = select_devices(options.device.kind)
    return options.device.processes or (len(devices) if devices[0].type == "cuda" else 1)


def find_dtype(options: FinetuningConfig) -> torch.dtype:
    """Choose the type of products; MPS has no mixed precision that the Trainer knows."""
    devices = select_devices(options.device.kind)
    if options.device.precision == "auto" and devices[0].type == "mps":
        return torch.float32
    return select_dtype(devices, options.device.precision)


def find_filler(model: Any) -> int:
    """Give the token that fills up an input."""
    return int(model.config.get_text_config().pad_token_id or 0)


def _measure(found: EvalPrediction) -> dict[str, float]:
    probabilities = softmax(np.asarray(found.predictions, dtype=float), axis=1)
    return {LOG_LOSS: float(compute_losses(probabilities, np.asarray(found.label_ids)).mean())}


def find_checkpoint(folder: Path) -> str | None:
    """Give the last whole checkpoint, and remove what is left of one that was being written when training was killed.

    Of a checkpoint, the first process writes the Trainer's state last, and each its own random state.
    """
    checkpoints = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for checkpoint in reversed(checkpoints):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
            whole = all(zipfile.is_zipfile(path) for path in checkpoint.glob("rng_state*.pth"))
        except (OSError, ValueError):
            whole = False
        if whole:
            return str(checkpoint)
        shutil.rmtree(checkpoint)
    return None


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    train(Path(sys.argv[1]))
    # Threads of the processes' connection that outlive the interpreter may crash it when all is done.
    processes = PartialState()
    processes.wait_for_everyone()
    processes.destroy_process_group()
