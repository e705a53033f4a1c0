"""How a net is built and trained: what a name among a paper's nets stands for."""

from collections.abc import Callable
from typing import NamedTuple

from torch import nn
from torch.optim import Optimizer

from lib.training.optimisers import muon
from lib.training.schedules import Schedule, linear

Shape = tuple[int, int, int]  # of one image: (C, H, W)


def with_muon(net: nn.Module, batch: int, rate: float = 0.2) -> Optimizer:
    """Muon with its own rates for the head and the vectors: the recipe of the small nets, and of the fast one."""
    return muon(net, rate, batch_size=batch)


class Recipe(NamedTuple):
    """A net and how it is trained.

    Attributes:
        build: (shape, classes, and by name whatever else this kind of net can be told) -> a net with fresh weights.
        optimiser: (net, images in a batch, the learning rate where it is not to be the recipe's own) -> its optimiser.
        schedule: steps -> the factor on the learning rate at each of them.
    """

    build: Callable[..., nn.Module]
    optimiser: Callable[..., Optimizer] = with_muon
    schedule: Callable[[int], Schedule] = linear
