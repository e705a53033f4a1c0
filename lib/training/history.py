"""What a training run leaves behind, and what its hooks see while it lasts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from lib.training.device import Compute


@dataclass
class History:
    """Losses, measured values and times of one run, summed over its interruptions.

    `losses` stays on the device while the run lasts and is cut to the steps done when it ends; reading it there waits
    for the device. Times are seconds; hooks (evaluation, progress) count in `hook_seconds` alone.
    """

    losses: Tensor  # (steps,) float32, loss of each step before its update
    values: dict[str, list[tuple[int, float]]] = field(default_factory=dict)  # name -> [(steps done, value), ...]
    images: int = 0  # seen in training, epochs counted
    seconds: float = 0.0  # wall-clock time of training
    compute_seconds: float = 0.0  # of which forward, backward and optimiser
    cpu_seconds: float = 0.0  # time of all CPU threads in training
    hook_seconds: float = 0.0
    stopped: bool = False  # by the stopping rule, before the last step

    @classmethod
    def of(cls, steps: int, device: torch.device) -> "History":
        """The history of a run of `steps` steps before the first."""
        return cls(torch.full((steps,), float("nan"), device=device))

    def note_step(self, step: int, loss: Tensor, images: int, seconds: float) -> None:
        """Note one step: its scalar loss, not read yet, its images and its time in forward, backward and optimiser."""
        self.losses[step] = loss
        self.images += images
        self.compute_seconds += seconds

    def closed(self, steps_done: int) -> "History":
        """This history with the losses of the steps done alone, on the CPU."""
        self.losses = self.losses[:steps_done].cpu()
        return self

    def record(self, name: str, step: int, value: float) -> None:
        """Note a measured value, after `step` steps."""
        self.values.setdefault(name, []).append((step, float(value)))

    def last(self, name: str) -> float:
        """The value of `name` that was measured last."""
        return self.values[name][-1][1]

    def mean_losses(self, every: int) -> Tensor:
        """Mean loss of each full stretch of `every` steps, such as an epoch: (steps // every,), on the CPU."""
        whole = len(self.losses) // every * every
        return self.losses[:whole].reshape(-1, every).mean(dim=1).cpu()

    @property
    def images_per_second(self) -> float:
        """Training images per second of wall-clock time."""
        return self.images / self.seconds if self.seconds else 0.0

    @property
    def compute_share(self) -> float:
        """Share of the training time in forward, backward and optimiser: 0 .. 1."""
        return self.compute_seconds / self.seconds if self.seconds else 0.0

    def state_dict(self, steps_done: int) -> dict[str, Any]:
        """All fields, with the losses of the steps done on the CPU."""
        return {**vars(self), "losses": self.losses[:steps_done].cpu().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` returned; the losses keep their place and length."""
        losses = state["losses"]
        self.losses[: len(losses)] = losses.to(self.losses.device)
        for name in vars(self).keys() - {"losses"}:
            setattr(self, name, state[name])


@dataclass
class Run:
    """A run in progress: what hooks, stopping rules and progress reports are called with."""

    model: nn.Module
    optimiser: torch.optim.Optimizer
    history: History
    generator: torch.Generator
    compute: Compute
    steps: int  # at most
    step: int = 0  # done


Hook = Callable[[Run], Any]  # called after a step; see lib/training/hooks.py
