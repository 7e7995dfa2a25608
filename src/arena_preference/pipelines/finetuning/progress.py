"""What the log is told of a training."""

import logging
import time
from typing import Any, Final

from transformers import TrainerCallback

logger = logging.getLogger(__name__)

#: What is measured on the battles set aside.
LOG_LOSS: Final = "log_loss"


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
        if f"eval_{LOG_LOSS}" in logs:
            logger.info(
                "%s: step %d, log loss %.4f on battles set aside",
                self._name, state.global_step, logs[f"eval_{LOG_LOSS}"],
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
