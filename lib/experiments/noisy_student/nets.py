"""The nets of this paper's notebooks, how they are optimised, and the noise on their input."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from lib.data.augment import crop_and_flip, cutout, random_crop
from lib.models.fast_resnet import fast_resnet
from lib.models.small_cnn import small_cnn
from lib.models.wide_resnet import wide_resnet
from lib.training.loop import Augment
from lib.training.optimisers import muon, sgd


class Recipe(NamedTuple):
    """How a net is built for images (C, H, W), classes and dropout, and optimised in batches of a size."""

    build: Callable[[tuple[int, int, int], int, float], nn.Module]
    optimiser: Callable[[nn.Module, int], torch.optim.Optimizer]


def small(widths: tuple[int, int, int]) -> Recipe:
    """A small convolutional net with Muon, for one CPU core."""

    def build(shape: tuple[int, int, int], classes: int, dropout: float) -> nn.Module:
        strides = (2, 2, 2) if shape[-1] >= 28 else (1, 2, 1)  # down to 4x4
        return small_cnn(classes, widths, shape[0], strides=strides, dropout=dropout)

    return Recipe(build, lambda net, batch: muon(net, batch_size=batch))


def wide(depth: int, width: int) -> Recipe:
    """A wide residual net with stochastic depth (survival 0.8 at the last block, as in the paper), for a GPU."""

    def build(shape: tuple[int, int, int], classes: int, dropout: float) -> nn.Module:
        return wide_resnet(
            depth, width, classes, in_channels=shape[0], head_dropout=dropout, stochastic_depth=0.2 if dropout else 0.0
        )

    return Recipe(build, lambda net, batch: sgd(net, lr=0.1 * batch / 256, nesterov=True, weight_decay=5e-4))


def fast(width: int) -> Recipe:
    """The fast residual net with Muon; stochastic depth as in `wide`. For a GPU, by a small width for a CPU."""

    def build(shape: tuple[int, int, int], classes: int, dropout: float) -> nn.Module:
        return fast_resnet(
            classes, width, in_channels=shape[0], dropout=dropout, stochastic_depth=0.2 if dropout else 0.0
        )

    return Recipe(build, lambda net, batch: muon(net, batch_size=batch))


NETS = {
    "XXS": small((8, 16, 32)),
    "XS": small((16, 32, 64)),
    "S": small((24, 48, 96)),
    "M": small((32, 64, 128)),
    "WRN-16-2": wide(16, 2),
    "WRN-16-4": wide(16, 4),
    "WRN-28-2": wide(28, 2),
    "WRN-28-4": wide(28, 4),
    "fast-16": fast(16),
    "fast-32": fast(32),
    "fast-64": fast(64),
}

# The noise of the input. Flips only where a mirrored image is of the same class.
NOISES: dict[str, Augment] = {
    "shift": lambda x, g: random_crop(x, 1, "zero", g),
    "shift and cutout": lambda x, g: cutout(random_crop(x, 1, "zero", g), 3, generator=g),
    "crop": lambda x, g: random_crop(x, 4, generator=g),
    "crop and flip": crop_and_flip,
}
