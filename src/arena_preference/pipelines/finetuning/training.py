"""Training a cross encoder in a folder of its own, in one process or several, with transformers' Trainer.

The folder holds the job, and the checkpoints from which a killed training goes on. Run as a module, it is what each of
several processes does: ``torchrun --nproc-per-node=2 -m arena_preference.pipelines.finetuning.training FOLDER``.
"""

import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from pydantic import BaseModel, ConfigDict
from scipy.special import softmax
from sklearn.model_selection import GroupShuffleSplit
from torch.utils.data import Dataset
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from arena_preference.battles import N_CLASSES
from arena_preference.device import select_devices, select_precision
from arena_preference.model_files import find_model
from arena_preference.scoring import compute_losses

from .inputs import BattleReader, Inputs
from .models import load_base, load_tokenizer, load_trained, quiet_transformers, save_trained
from .options import FinetuningOptions

logger = logging.getLogger(__name__)

_JOB: Final = "job.json"
_BATTLES: Final = "battles.parquet"
_CHECKPOINTS: Final = "checkpoints"
#: Where the trained model is when all is done.
MODEL: Final = "model"
#: What is known of the training, inside the folder of the model.
HISTORY: Final = "history.json"
_LOG_LOSS: Final = "log_loss"


class TrainingJob(BaseModel):
    """What one training depends on, besides its battles."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """For the log."""
    options: FinetuningOptions
    seed: int


class BattleInputs(Dataset[dict[str, Any]]):
    """Battles as a model reads them, one at a time."""

    def __init__(self, inputs: Sequence[Inputs], labels: npt.NDArray[Any] | None, orders: int = 2) -> None:
        """Keep them.

        Args:
            inputs: What ``BattleReader.read`` gave.
            labels: Shape (n,); None where there are none.
            orders: 1 leaves out the second input of each battle.
        """
        self._inputs, self._labels, self._orders = inputs, labels, orders

    def __len__(self) -> int:
        return len(self._inputs)

    def __getitem__(self, number: int) -> dict[str, Any]:
        item: dict[str, Any] = {"inputs": self._inputs[number][: self._orders]}
        return item if self._labels is None else {**item, "labels": int(self._labels[number])}


class Collator:
    """Makes a batch of battles: the inputs of all of them, padded on the right to the longest."""

    def __init__(self, filler: int) -> None:
        """Take the token that fills up an input."""
        self._filler = filler

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Give ``input_ids`` and ``attention_mask``, shape (battles, inputs, tokens), and labels where there are."""
        orders = len(items[0]["inputs"])
        width = max(len(tokens) for item in items for tokens in item["inputs"])
        input_ids = torch.full((len(items), orders, width), self._filler, dtype=torch.long)
        attention_mask = torch.zeros_like(input_ids)
        for row, item in enumerate(items):
            for order, tokens in enumerate(item["inputs"]):
                input_ids[row, order, : len(tokens)] = torch.from_numpy(tokens)
                attention_mask[row, order, : len(tokens)] = 1
        batch = {"input_ids": input_ids, "attention_mask": attention_mask}
        if "labels" in items[0]:
            batch["labels"] = torch.tensor([item["labels"] for item in items])
        return batch


class ProgressLog(TrainerCallback):
    """Tells the log how a training goes: loss, log loss on battles set aside, tokens a second, minutes left."""

    def __init__(self, name: str) -> None:
        """Take the name of the training."""
        self._name = name
        self._started, self._first_step, self._first_tokens = time.monotonic(), 0, 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock; a training that is resumed has steps behind it."""
        self._started, self._first_step = time.monotonic(), state.global_step
        self._first_tokens = state.num_input_tokens_seen

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write a line for each measurement."""
        logs: dict[str, float] = kwargs["logs"]
        if not state.is_world_process_zero:
            return
        if f"eval_{_LOG_LOSS}" in logs:
            logger.info(
                "%s: step %d, log loss %.4f on battles set aside",
                self._name, state.global_step, logs[f"eval_{_LOG_LOSS}"],
            )  # fmt: skip
        elif "loss" in logs and state.global_step > self._first_step:
            seconds = time.monotonic() - self._started
            steps = state.global_step - self._first_step
            logger.info(
                "%s: step %d of %d, loss %.4f, %.0f tokens/s, at most %.1f minutes left",
                self._name,
                state.global_step,
                state.max_steps,
                logs["loss"],
                (state.num_input_tokens_seen - self._first_tokens) / seconds,
                (state.max_steps - state.global_step) * seconds / steps / 60,
            )


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
    job = TrainingJob.model_validate_json((folder / _JOB).read_text(encoding="utf-8"))
    options = job.options
    battles = pd.read_parquet(folder / _BATTLES)
    tokenizer = load_tokenizer(find_model(options.model, options.revision))
    inputs = BattleReader(tokenizer, options).read(battles)
    labels = battles["label"].to_numpy()
    splitter = GroupShuffleSplit(1, test_size=options.training.validation_share, random_state=job.seed)
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
        callbacks=[EarlyStoppingCallback(options.training.patience), ProgressLog(job.name)],
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


def predict(folder: Path, options: FinetuningOptions, battles: pd.DataFrame) -> npt.NDArray[Any]:
    """Score battles in both orders.

    Args:
        folder: Of a trained cross encoder.
        options: The parameters that it was trained with.
        battles: One row per battle, schema ``Battles``.

    Returns:
        Logits, float64, shape (n, 3).

    Raises:
        ValueError: If a file, a head or an adapter is missing, damaged, or of another shape than the parameters say.
    """
    inputs = BattleReader(load_tokenizer(folder), options).read(battles)
    order = sort_by_length(inputs, np.arange(len(inputs)))
    # Nothing is written there.
    arguments = TrainingArguments(output_dir=str(folder), **_describe_device(options))
    model = load_trained(folder, options, find_dtype(options), arguments.device)
    trainer = Trainer(model=model, args=arguments, data_collator=Collator(find_filler(model)))
    trainer.remove_callback(PrinterCallback)
    with quiet_transformers(), torch.random.fork_rng():
        found = trainer.predict(BattleInputs([inputs[row] for row in order], None))
    logits = np.empty((len(inputs), N_CLASSES))
    logits[order] = found.predictions
    return logits


def make_arguments(options: FinetuningOptions, folder: Path, seed: int, battles: int, orders: int) -> TrainingArguments:
    """Say in transformers' words how to train.

    Args:
        options: Parameters ``finetuning``.
        folder: For checkpoints.
        seed: Of this training.
        battles: How many are learned from.
        orders: Inputs of each battle in training.
    """
    training = options.training
    steps_per_epoch = -(-battles // training.battles_per_step)
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
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{_LOG_LOSS}",
        greater_is_better=False,
        logging_steps=max(1, every // 4),
        include_num_input_tokens_seen="non_padding",
        **_describe_device(options),
    )
    # How many battles of a step fall to a device hangs on the number of processes that take part.
    sharing = arguments.world_size * max(1, arguments.n_gpu)
    at_once = max(1, options.device.tokens // (options.input.max_tokens * orders))
    per_device = -(-training.battles_per_step // sharing)
    arguments.gradient_accumulation_steps = -(-per_device // at_once)
    arguments.per_device_train_batch_size = -(-per_device // arguments.gradient_accumulation_steps)
    return arguments


def _describe_device(options: FinetuningOptions) -> dict[str, Any]:
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


def count_processes(options: FinetuningOptions) -> int:
    """Tell how many processes share each step."""
    devices = select_devices(options.device.kind)
    return options.device.processes or (len(devices) if devices[0].type == "cuda" else 1)


def find_dtype(options: FinetuningOptions) -> torch.dtype:
    """Choose the type of products; MPS has no mixed precision that the Trainer knows."""
    devices = select_devices(options.device.kind)
    if options.device.precision == "auto" and devices[0].type == "mps":
        return torch.float32
    return select_precision(devices, options.device.precision)


def find_filler(model: Any) -> int:
    """Give the token that fills up an input."""
    return int(model.config.get_text_config().pad_token_id or 0)


def sort_by_length(inputs: Sequence[Inputs], rows: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Put rows in the order of the lengths of their inputs, the longest first."""
    lengths = np.array([max(len(tokens) for tokens in inputs[row]) for row in rows])
    return rows[np.argsort(-lengths, kind="stable")]


def _measure(found: EvalPrediction) -> dict[str, float]:
    probabilities = softmax(np.asarray(found.predictions, dtype=float), axis=1)
    return {_LOG_LOSS: float(compute_losses(probabilities, np.asarray(found.label_ids)).mean())}


def find_checkpoint(folder: Path) -> str | None:
    """Give the last whole checkpoint, and remove what is left of one that was being written when training was killed.

    A checkpoint's state is what the Trainer writes last.
    """
    checkpoints = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for checkpoint in reversed(checkpoints):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)
            continue
        return str(checkpoint)
    return None


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    train(Path(sys.argv[1]))
