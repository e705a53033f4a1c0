"""What the notebooks of this paper share: the images of a seed, the nets with their recipes, the noise on the input."""

import functools
from typing import NamedTuple

import torch
from torch import nn

from lib.data.augment import crop_and_flip, cutout, random_crop
from lib.data.image_set import ImageSet
from lib.data.load import is_pool, load
from lib.data.splits import split
from lib.experiments.noisy_student.lineages import Setting
from lib.models.fast_resnet import fast_resnet
from lib.models.small_cnn import small_cnn
from lib.models.wide_resnet import wide_resnet
from lib.training.loop import Augment
from lib.training.optimisers import sgd
from lib.training.recipe import Recipe, Shape


class Data(NamedTuple):
    """The images of one seed. The labels of the pool only serve to report how good the pseudo-labels are."""

    labelled: ImageSet
    pool: ImageSet
    test: ImageSet


@functools.lru_cache(maxsize=8)
def divide(
    seed: int, dataset: str, labelled_images: int, unlabelled_images: int, test_images: int, tested_on: str
) -> Data:
    """Labelled images, pool and test images of one seed: disjoint, every class in proportion.

    The test images are of the published test part; where nobody published one, they are drawn too.
    """
    sizes = (labelled_images, unlabelled_images)
    if is_pool(dataset):
        return Data(*split(load(dataset, "all"), (*sizes, test_images), seed))
    labelled, pool = split(load(dataset, "train" if tested_on == "test" else "fit"), sizes, seed)
    (test,) = split(load(dataset, tested_on), (test_images,), seed)
    return Data(labelled, pool, test)


def draw(setting: Setting, seed: int, dataset: str) -> Data:
    """The images of one seed, with the sizes of a setting; see `divide`."""
    sizes = (setting["labelled_images"], setting["unlabelled_images"], setting["test_images"])
    return divide(seed, dataset, *sizes, setting["tested_on"])


def small(*widths: int) -> Recipe:
    """A small convolutional net with Muon, for one CPU core."""

    def build(shape: Shape, classes: int, dropout: float = 0.0) -> nn.Module:
        strides = (2, 2, 2) if shape[-1] >= 28 else (1, 2, 1)  # down to 4x4
        return small_cnn(classes, widths, shape[0], strides=strides, dropout=dropout)

    return Recipe(build)


def wide(depth: int, width: int) -> Recipe:
    """A wide residual net with stochastic depth (survival 0.8 at the last block, as in the paper), for a GPU."""

    def build(shape: Shape, classes: int, dropout: float = 0.0) -> nn.Module:
        return wide_resnet(
            depth, width, classes, in_channels=shape[0], head_dropout=dropout, stochastic_depth=0.2 if dropout else 0.0
        )

    def optimiser(net: nn.Module, batch: int, rate: float = 0.1) -> torch.optim.Optimizer:
        return sgd(net, rate * batch / 256, nesterov=True, weight_decay=5e-4)

    return Recipe(build, optimiser)


def fast(width: int) -> Recipe:
    """The fast residual net with Muon; stochastic depth as in `wide`. For a GPU, by a small width for a CPU."""

    def build(shape: Shape, classes: int, dropout: float = 0.0) -> nn.Module:
        return fast_resnet(
            classes, width, in_channels=shape[0], dropout=dropout, stochastic_depth=0.2 if dropout else 0.0
        )

    return Recipe(build)


NETS = {
    "XXS": small(8, 16, 32),
    "XS": small(16, 32, 64),
    "S": small(24, 48, 96),
    "M": small(32, 64, 128),
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
