"""The weights of the best moment of a run."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from lib.training.history import Run


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
