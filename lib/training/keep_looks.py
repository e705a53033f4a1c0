"""The weights of several moments of a run, for whatever is to be measured of them later."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lib.training.history import Run


class KeepLooks:
    """Hook that keeps a copy of the weights every so many steps and at the last, on the CPU.

    Pass it to `train` among `stateful` as well, so that it survives an interruption. On disk the copies take as much
    as so many nets.
    """

    def __init__(self, every: int) -> None:
        """`every` steps, at least 1."""
        if every < 1:
            raise ValueError(f"a look is taken every 1 or more steps, found {every}")
        self.every = every
        self.weights: dict[int, dict[str, Tensor]] = {}  # steps done -> state of the model

    def __call__(self, run: Run) -> None:
        """Copy the weights if a look is due."""
        if run.step % self.every == 0 or run.step == run.steps:
            self.weights[run.step] = {n: value.detach().cpu().clone() for n, value in run.model.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """Steps and weights."""
        return {"weights": {str(step): dict(weights) for step, weights in self.weights.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` returned."""
        self.weights = {int(step): dict(weights) for step, weights in state["weights"].items()}
