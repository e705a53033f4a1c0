"""Hooks: plain callables that see the run after each step. They may change nothing that training depends on.

The loop does not import this file, so that another hook here changes the key of no net that is trained without it.
"""

from collections.abc import Callable

from torch import Tensor, nn

from lib.training.evaluate import error_rate
from lib.training.history import Hook, Run


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
