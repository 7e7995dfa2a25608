"""Callbacks of transformers' Trainer: complete checkpoints, early stopping, progress in the log."""

import logging
import shutil
import time
from pathlib import Path
from typing import Any, Final

from transformers import EarlyStoppingCallback, TrainerCallback
from transformers.trainer_utils import rotate_checkpoints, sort_checkpoints

logger = logging.getLogger(__name__)

#: The metric on the validation battles.
LOG_LOSS: Final = "log_loss"
# Marks a checkpoint that every process has written completely.
_COMPLETE: Final = "complete"


class CommitCheckpoint(TrainerCallback):
    """Marks a checkpoint as complete once all processes have written it, and only then removes older ones."""

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep the newest checkpoint and the best one."""
        args.distributed_state.wait_for_everyone()
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / _COMPLETE).touch()
            rotate_checkpoints(args.output_dir, 2, state.best_model_checkpoint)


def find_checkpoint(folder: Path) -> str | None:
    """Return the newest complete checkpoint and remove newer ones, whose writing was interrupted."""
    for checkpoint in reversed(sort_checkpoints(str(folder))):
        if (Path(checkpoint) / _COMPLETE).exists():
            return checkpoint
        shutil.rmtree(checkpoint)
    return None


class EarlyStopping(EarlyStoppingCallback):
    """Stops a training whose log loss no longer falls, also one that is resumed after it had stopped."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop at once if the patience is used up."""
        super().on_train_begin(args, state, control, **kwargs)
        if self.early_stopping_patience_counter >= self.early_stopping_patience:
            control.should_training_stop = True


class ProgressLog(TrainerCallback):
    """Logs loss, validation log loss, tokens per second and the minutes that remain."""

    def __init__(self, name: str) -> None:
        self._name = name

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock; a resumed training does not begin at step 0."""
        self._started, self._first_step = time.monotonic(), state.global_step
        self._first_tokens = state.num_input_tokens_seen

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Log training loss or validation log loss."""
        logs: dict[str, float] = kwargs["logs"]
        steps = state.global_step - self._first_step
        if not state.is_world_process_zero:
            return
        if (log_loss := logs.get(f"eval_{LOG_LOSS}")) is not None:
            logger.info("%s: step %d, validation log loss %.4f", self._name, state.global_step, log_loss)
        elif "loss" in logs and steps > 0:
            seconds = time.monotonic() - self._started
            logger.info(
                "%s: step %d of %d, loss %.4f, %.0f tokens/s, at most %.1f minutes left",
                self._name, state.global_step, state.max_steps, logs["loss"],
                (state.num_input_tokens_seen - self._first_tokens) / seconds,
                (state.max_steps - state.global_step) * seconds / steps / 60,
            )  # fmt: skip
