"""A line on the terminal while a net is trained."""

import sys
import time
from typing import TextIO

from lib.training.history import Hook, Run


def progress_line(seconds: float = 5.0, stream: TextIO | None = None) -> Hook:
    """A line with step, loss, speed and remaining time, at most one every `seconds`, if `stream` is a terminal.

    Where nobody watches (a log file, a batch job) nothing is written. None is stderr.
    """
    stream = stream or sys.stderr
    if not stream.isatty():
        return lambda run: None
    shown = time.monotonic()

    def show(run: Run) -> None:
        nonlocal shown
        if time.monotonic() - shown < seconds:
            return
        shown = time.monotonic()
        stream.write(describe(run) + "\n")

    return show


def describe(run: Run) -> str:
    """One line: steps done, mean loss of the last 50, images a second, time that is left."""
    history = run.history
    recent = history.losses[max(run.step - 50, 0) : run.step].mean().item()
    per_step = (history.seconds + history.hook_seconds) / max(run.step, 1)
    minutes, seconds = divmod(round(per_step * (run.steps - run.step)), 60)
    speed = f"{history.images_per_second:,.0f} images/s"
    return f"step {run.step:,} of {run.steps:,}, loss {recent:.3f}, {speed}, {minutes}:{seconds:02d} left"
