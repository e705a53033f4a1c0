"""Hooks: plain callables that see the run after each step. They may change nothing that training depends on."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from torch import Tensor, nn

from lib.training.evaluate import error_rate
from lib.training.history import Run

Hook = Callable[[Run], Any]


def every(steps: int, hook: Hook) -> Hook:
    """Call `hook` after every `steps` steps; its answer is passed on, so that stopping rules can be wrapped too."""
    if steps < 1:
        raise ValueError(f"a hook is called every 1 or more steps, found {steps}")
    return lambda run: hook(run) if run.step % steps == 0 else None


def measure(name: str, quantity: Callable[[nn.Module], float]) -> Hook:
    """Record `quantity(model)` in the history under `name`."""
    return lambda run: run.history.record(name, run.step, quantity(run.model))


def fitted(images: Tensor, labels: Tensor, error: float = 0.0, batch_size: int = 500) -> Callable[[Run], bool]:
    """Stopping rule: True once the error on these images, in eval mode, is at most `error`. Wrap it in `every`."""
    return lambda run: error_rate(run.model, images, labels, batch_size) <= error


class KeepBest:
    """Hook that keeps a copy of the weights at the best score so far (the first of equal ones).

    Pass it to `train` among `stateful` as well, so that it survives an interruption.
    """

    def __init__(self, score: Callable[[nn.Module], float]) -> None:
        """`score(model)`: higher is better."""
        self.score = score
        self.best, self.step = float("-inf"), -1
        self.weights: dict[str, Tensor] = {}

    def __call__(self, run: Run) -> None:
        """Score the model and keep it if it is better than all before."""
        score = float(self.score(run.model))
        if score > self.best:
            self.best, self.step = score, run.step
            self.weights = {name: value.clone() for name, value in run.model.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """Best score, its step, its weights."""
        return {"best": self.best, "step": self.step, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` returned."""
        self.best, self.step, self.weights = state["best"], state["step"], dict(state["weights"])


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
