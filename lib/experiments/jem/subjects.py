"""What JEM's nets are trained on, which nets these are, and by which protocol; shared by the arms."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.data.augment import crop_and_flip, random_flip
from lib.data.image_set import ImageSet, to_float
from lib.data.load import is_published, load
from lib.data.splits import split
from lib.models.inputs import Standardise
from lib.models.mlp import mlp
from lib.models.small_cnn import norm_free_cnn
from lib.models.wide_resnet import wide_resnet
from lib.training.device import Compute, prepare
from lib.training.loop import Augment
from lib.training.schedules import Schedule, trapezoid

Shape = tuple[int, int, int]  # of one image: (C, H, W)


def free_wide_resnet(depth: int, width: int) -> Callable[[Shape, int, str], nn.Module]:
    """The paper's kind of net: no normalisation, stride on the second convolution of a block."""
    return lambda shape, classes, activation: wide_resnet(
        depth, width, classes, in_channels=shape[0], batch_norm=False, activation=activation, late_stride=True
    )


def two_layers(shape: Shape, classes: int, activation: str) -> nn.Module:
    """A net for 8 x 8 images: two layers of 256."""
    return mlp((256, 256), classes, shape, activation=activation, inputs=Standardise(0.5, 0.5))


# name -> (image shape, classes, activation) -> net; all scale [0, 1] to [-1, 1] and have no normalisation
NETS: dict[str, Callable[[Shape, int, str], nn.Module]] = {
    "mlp 2x256": two_layers,
    "norm-free cnn": lambda shape, classes, activation: norm_free_cnn(
        classes, in_channels=shape[0], activation=activation
    ),
    "wrn-16-4": free_wide_resnet(16, 4),
    "wrn-28-10": free_wide_resnet(28, 10),
}


@dataclass(frozen=True)
class Protocol:
    """How the nets of one tier are trained; the same for JEM and for its twins but for the objective.

    Attributes:
        net: key of `NETS`.
        steps: of the optimiser, Adam.
        batch_size: of data, and of chains.
        learning_rate: after a warm-up of 2/15 of the run; from half-way falling linearly to 5 %.
        sgld_steps: K.
        sgld_step_size: a, for images in [-1, 1].
        sgld_noise: s, likewise.
        data_noise: sigma on JEM's data, likewise.
        buffer_size: chains.
        energy_penalty: on the squared log densities.
        clip_norm: of the whole gradient; 0 for none. The twins have it too.
        clamp: chains stay in the range of images.
        activation: of the net.
        precision: of the convolutions in training on a GPU; images and log densities are float32 always.
        evaluate_on: split whose images the accuracies are of.
    """

    net: str
    steps: int
    batch_size: int = 64
    learning_rate: float = 2e-3
    sgld_steps: int = 5
    sgld_step_size: float = 1.0
    sgld_noise: float = 0.01
    data_noise: float = 0.03
    buffer_size: int = 2000
    energy_penalty: float = 0.01
    clip_norm: float = 1.0
    clamp: bool = True
    activation: str = "silu"
    precision: str = "bfloat16"
    evaluate_on: str = "test"

    def schedule(self, steps: int) -> Schedule:
        """Factor on the learning rate in a run of so many steps."""
        return trapezoid(steps, warmup=2 / 15, decay=0.5, floor=0.05)

    def build(self, division: "Division", seed: int) -> nn.Module:
        """A fresh net for these images."""
        torch.manual_seed(seed)
        return NETS[self.net](division.train.shape, len(division.train.classes), self.activation)


class Division(NamedTuple):
    """Images of one seed, pooled, none in two parts."""

    train: ImageSet  # with the labels that are learnt from
    judge: ImageSet  # for the net that judges samples
    validation: ImageSet  # to stop early by
    test: ImageSet


def divide(dataset: str, pooling: int, sizes: list[int], seed: int, evaluate_on: str = "test") -> Division:
    """Draw the parts by the seed, stratified; images are averaged over `pooling` x `pooling` pixels.

    A set that its publisher divided keeps his test part, and ours of validation; one published in one piece is divided
    by the seed altogether.

    Args:
        dataset: name for `load`.
        pooling: 1 leaves the images as they are, 2 halves their sides.
        sizes: images of train, judge, validation and test.
        seed: of the draw.
        evaluate_on: "test", or "validation" for pilots, which then leaves the test images untouched.
    """
    if not is_published(dataset):
        return Division(*(pooled(part, pooling) for part in split(load(dataset, "all"), sizes, seed)))
    train, judge = split(load(dataset, "fit"), sizes[:2], seed)
    held_out = load(dataset, "validation")
    if evaluate_on == "validation":
        validation, test = split(held_out, [sizes[2], min(sizes[3], len(held_out) - sizes[2])], seed)
    else:
        (validation,), (test,) = split(held_out, sizes[2:3], seed), split(load(dataset, "test"), sizes[3:], seed)
    return Division(*(pooled(part, pooling) for part in (train, judge, validation, test)))


def pooled(images: ImageSet, by: int) -> ImageSet:
    """The same set as floats, averaged over squares of `by` x `by` pixels."""
    small = F.avg_pool2d(to_float(images.images), by) if by > 1 else to_float(images.images)
    return ImageSet(small, images.labels, images.classes, images.name, images.checksum, images.split)


def augmentation(images: ImageSet) -> Augment | None:
    """Mirror photographs, and shift them where they have their full size; leave digits as they are."""
    channels, side, _ = images.shape
    if channels == 1:
        return None
    if side < 32:
        return lambda batch, generator: random_flip(batch, generator=generator)
    return crop_and_flip


def part(images: Tensor, count: int, seed: int) -> Tensor:
    """`count` of the images (N, C, H, W) at random, all where there are fewer."""
    return images[torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:count]]


def loaded(net: nn.Module, weights: dict[str, Any], device: str) -> nn.Module:
    """The net with stored weights, in eval mode on the device."""
    net.load_state_dict(weights)
    return net.to(device).eval()


def compute_for(p: Protocol, device: str) -> Compute:
    """Device and precision of training: the protocol's precision is for a GPU."""
    return prepare(device, p.precision if torch.device(device).type == "cuda" else "float32")
