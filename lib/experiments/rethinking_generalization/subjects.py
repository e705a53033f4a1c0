"""What the notebooks of this paper share: its nets and those of the smaller tiers with their recipe, drawn images."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lib.data.image_set import ImageSet
from lib.models.inputs import CIFAR10_MEAN, CIFAR10_STD, Standardise
from lib.models.mlp import mlp
from lib.models.small_alexnet import small_alexnet
from lib.models.small_cnn import small_cnn
from lib.models.small_inception import small_inception
from lib.training.optimisers import sgd
from lib.training.recipe import Recipe, Shape
from lib.training.schedules import Schedule, exponential

BATCH = 128  # not stated in the paper; its curves have a point every 391 = ceil(50,000 / 128) steps


def paper_mlp(image_shape: Shape, classes: int, layers: int = 1) -> nn.Module:
    """The paper's net of 512 ReLU units a layer on the whitened centre crop (28x28 of a 32x32 image)."""
    channels, height, width = image_shape
    crop = (28, 28) if height > 28 else (height, width)
    return mlp((512,) * layers, classes, (channels, *crop))


def standardised_mlp(image_shape: Shape, classes: int) -> nn.Module:
    """The same layers on the input of the author's demonstration code: whole image, constants of the data set."""
    colour = image_shape[0] == 3
    scaling = Standardise(CIFAR10_MEAN, CIFAR10_STD) if colour else Standardise()
    return mlp((512,), classes, image_shape, inputs=scaling)


def plain_cnn(image_shape: Shape, classes: int) -> nn.Module:
    """The small convolutional net with mean pooling and plain logits, as suits SGD; half as wide for small images."""
    if image_shape[-1] < 28:
        return half_width_cnn(image_shape, classes)
    return small_cnn(classes, (24, 48, 96), image_shape[0], pool="mean", logit_scale=1.0)


def half_width_cnn(image_shape: Shape, classes: int) -> nn.Module:
    """The same at widths 12, 24 and 48: 40,258 parameters on 32x32 colour images, which it takes down to 4x4."""
    strides = (2, 2, 2) if image_shape[-1] >= 28 else (2, 2, 1)  # 8x8 goes down to 2x2
    return small_cnn(classes, (12, 24, 48), image_shape[0], strides=strides, pool="mean", logit_scale=1.0)


RATES = {  # the paper's, appendix A, for the paper's nets
    "mlp 1x512": 0.01,
    "mlp 3x512": 0.01,
    "mlp 1x512, standardised": 0.01,
    "small cnn": 0.05,
    "half-width cnn": 0.05,
    "small inception": 0.1,
    "small alexnet": 0.01,
}


def as_the_paper(build: Callable[..., nn.Module], own_rate: float) -> Recipe:
    """SGD with momentum 0.9 and the rate times 0.95 every 391 batches of 128, an epoch of 50,000; no regulariser."""

    def optimiser(
        net: nn.Module, batch: int, rate: float = own_rate, weight_decay: float = 0.0
    ) -> torch.optim.Optimizer:
        return sgd(net, lr=rate, momentum=0.9, weight_decay=weight_decay)

    def schedule(steps: int) -> Schedule:
        return exponential(0.95, every=391)

    return Recipe(build, optimiser, schedule)


BUILT: dict[str, Callable[[Shape, int], nn.Module]] = {
    "mlp 1x512": paper_mlp,
    "mlp 3x512": lambda shape, classes: paper_mlp(shape, classes, layers=3),
    "mlp 1x512, standardised": standardised_mlp,
    "small cnn": plain_cnn,
    "half-width cnn": half_width_cnn,
    "small inception": lambda shape, classes: small_inception(classes),
    "small alexnet": lambda shape, classes: small_alexnet(classes),
}
NETS = {name: as_the_paper(build, RATES[name]) for name, build in BUILT.items()}


def draw(images: ImageSet, count: int, generator: torch.Generator) -> Tensor:
    """`count` images drawn without replacement, (count, C, H, W)."""
    if count > len(images):
        raise ValueError(f"{count} images wanted, but {images.name} has {len(images)}; lower n_images")
    return images.images[torch.randperm(len(images), generator=generator)[:count]]
