import os
import signal
import time
from pathlib import Path


def double(numbers, wait_for):
    if wait_for == "error":
        raise ArithmeticError("no doubles today, the token=hush is gone")
    if wait_for in signal.Signals.__members__:
        signal.raise_signal(signal.Signals[wait_for])
    elif wait_for:
        Path(wait_for).with_suffix(".here").write_text(str(os.getpid()))
        while not Path(wait_for).exists():
            time.sleep(0.01)
    return [2 * number for number in numbers]


def add(doubles):
    yield {"log_loss": float(sum(doubles)), "blend": {"difference": {"value": 0.0}}}


def write(total, doubles):
    return f"{total['log_loss']} of {len(doubles)}"
