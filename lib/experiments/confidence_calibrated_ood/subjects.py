"""What the notebooks of this paper share: sets, in-distribution, out of it and seen, or not seen; nets with recipes."""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.data.augment import crop_and_flip, random_crop
from lib.data.image_set import ImageSet, to_float
from lib.data.letters import DIGIT_LOOK_ALIKES
from lib.data.load import load as read
from lib.data.noise_sets import gaussian, noise
from lib.data.splits import split
from lib.models.small_cnn import small_cnn
from lib.models.vgg13 import vgg13
from lib.models.wide_resnet import wide_resnet
from lib.training.device import derived_seed
from lib.training.loop import Augment
from lib.training.optimisers import adam, sgd
from lib.training.recipe import Recipe, Shape
from lib.training.schedules import cosine, step_decay

SEEN_NOISE = "gaussian"  # the kind of noise that a net may be trained with
RESPLIT = {"digits": (797, 200, 800)}  # sets whose fit, validation and test part are drawn anew with each seed
NOT_OUTLIERS = {"letters": DIGIT_LOOK_ALIKES}  # classes that look like in-distribution ones


@cache
def load(name: str, split: str) -> ImageSet:
    """A set as `lib.data.load` gives it, kept in memory: every net of a run is trained and tested on the same few."""
    return read(name, split)


def in_distribution(dataset: str, seed: int) -> tuple[ImageSet, ImageSet, ImageSet]:
    """Images to fit, to choose the temperature on, and to test on; drawn by the seed where no publisher divided them.

    The middle one serves nothing but the temperature.
    """
    if dataset in RESPLIT:
        fit, validation, test = split(load(dataset, "all"), RESPLIT[dataset], seed)
        return fit, validation, test
    return load(dataset, "fit"), load(dataset, "validation"), load(dataset, "test")


def out_of_distribution(
    shape: Shape,
    seed: int,
    broad: str,
    narrow: str,
    near: list[str],
    far: list[str],
    noises: list[str],
    seen_share: float,
    count: int,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The pools that outliers are drawn from, and at most `count` test images of every set; no image is in both.

    Where the broad set is itself among the near ones, the kinds of it that are not seen stand there.
    """
    _, other_kinds = kinds(load(broad, "train"), seen_share, seed)
    fresh_kinds, _ = kinds(load(broad, "test"), seen_share, seed)
    sets = {f"broad/{broad}": fresh_kinds, f"narrow/{narrow}": load(narrow, "test")}
    sets |= {f"near/{name}": other_kinds if name == broad else load(name, "test") for name in near}
    sets |= {f"far/{name}": load(name, "test") for name in far}
    tested = {name: in_shape(taken(images, count, seed, name), shape, seed) for name, images in sets.items()}
    for kind in noises:
        source = torch.Generator().manual_seed(derived_seed(seed, 2, noises.index(kind)))
        tested[f"noise/{kind}"] = drawn_noise(kind, count, shape, source)
    return outlier_pools(shape, seed, broad, narrow, seen_share), tested


def outlier_pools(shape: Shape, seed: int, broad: str, narrow: str, seen_share: float) -> dict[str, Tensor]:
    """What outliers are drawn from in training: a share of the kinds of the broad set, and the narrow set."""
    seen_kinds, _ = kinds(load(broad, "train"), seen_share, seed)
    sets = {"broad": seen_kinds, "narrow": load(narrow, "train")}
    return {name: in_shape(images.images, shape, seed) for name, images in sets.items()}


def drawn_noise(kind: str, count: int, shape: Shape, generator: torch.Generator) -> Tensor:
    """Noise images (count, C, H, W) in [0, 1]; Gaussian noise with the paper's standard deviation of 1, clipped."""
    if kind == SEEN_NOISE:
        return gaussian(count, shape, generator, std=1.0)
    return noise(kind, count, shape, generator).images


def kinds(images: ImageSet, share: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """A set divided by class into a `share` of its kinds, drawn by the seed, and the rest.

    Upper and lower case of a letter are one kind; classes that look like in-distribution ones are left out.
    """
    left_out = NOT_OUTLIERS.get(images.name, ())
    names = sorted({name.casefold() for name in images.classes if name not in left_out})
    chosen = [names[i] for i in order(len(names), seed, "kinds")[: round(share * len(names))]]
    usable = torch.tensor([name not in left_out for name in images.classes])
    taken_ = torch.tensor([name.casefold() in chosen for name in images.classes])
    return images.take((usable & taken_)[images.labels]), images.take((usable & ~taken_)[images.labels])


def taken(images: ImageSet, count: int, seed: int, purpose: str) -> Tensor:
    """At most `count` images of a set, drawn by the seed."""
    if len(images) == 0:
        raise ValueError(f"{purpose}: no image is left; with the whole broad set seen it cannot be among the near sets")
    return images.images[order(len(images), seed, purpose)[:count]]


def in_shape(images: Tensor, shape: Shape, seed: int) -> Tensor:
    """Images (N, c, h, w) as (N, *shape): the middle of larger ones, a border around smaller ones, grey or in colour.

    Grey is the mean of the colours; grey strokes are put in two random colours where colour is wanted.
    """
    if tuple(images.shape[1:]) == tuple(shape):
        return images
    top, left = (max(0, own - wanted) // 2 for own, wanted in zip(images.shape[2:], shape[1:], strict=True))
    images = images[:, :, top : top + shape[1], left : left + shape[2]]
    if images.shape[1] > shape[0]:
        images = like(images, to_float(images).mean(dim=1, keepdim=True))
    return images if tuple(images.shape[1:]) == tuple(shape) else coloured(images, shape, seed)


def coloured(strokes: Tensor, shape: Shape, seed: int) -> Tensor:
    """Grey strokes (N, 1, h, w) in the middle of images (N, *shape), each in two random colours or greys of its own."""
    sides = (shape[2] - strokes.shape[3], shape[1] - strokes.shape[2])
    border = (sides[0] // 2, sides[0] - sides[0] // 2, sides[1] // 2, sides[1] - sides[1] // 2)
    ink = F.pad(to_float(strokes), border)  # (N, 1, H, W)
    generator = torch.Generator().manual_seed(derived_seed(seed, 3))
    front, back = torch.rand(2, len(strokes), shape[0], 1, 1, generator=generator)
    return (255 * (ink * front + (1 - ink) * back)).round().to(torch.uint8)


def like(images: Tensor, floats: Tensor) -> Tensor:
    """Floats in [0, 1] in the type of `images`: uint8 saves three quarters of the memory."""
    return (255 * floats).round().to(torch.uint8) if images.dtype == torch.uint8 else floats


def augmentation(dataset: str) -> Augment | None:
    """Crops and flips for photographs, crops for house numbers, nothing for the 8 x 8 digits."""
    flipped: dict[str, Augment] = {"cifar10": crop_and_flip, "svhn": crop}
    return flipped.get(dataset.removeprefix("fake:"))


def crop(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shifted by up to four pixels, mirrored at the border."""
    return random_crop(images, generator=generator)


def order(count: int, seed: int, purpose: str) -> Tensor:
    """A random order of `count` things, its own for every seed and purpose."""
    generator = torch.Generator().manual_seed(derived_seed(seed, *purpose.encode()))
    return torch.randperm(count, generator=generator)


def small_net(shape: Shape, classes: int) -> nn.Module:
    """The small net "S" for 32 x 32 images; a third as wide for 8 x 8."""
    widths, strides = ((24, 48, 96), (2, 2, 2)) if shape[1] >= 28 else ((8, 16, 32), (1, 2, 1))
    return small_cnn(classes, widths, shape[0], strides=strides)


NETS = {
    "small cnn": Recipe(small_net),
    "wrn-16-4": Recipe(
        lambda shape, classes: wide_resnet(16, 4, classes, in_channels=shape[0]),
        lambda net, batch, rate=0.1: sgd(net, rate, nesterov=True, weight_decay=5e-4),
        cosine,
    ),
    "vgg-13": Recipe(  # the paper's
        lambda shape, classes: vgg13(classes, in_channels=shape[0]),
        lambda net, batch, rate=2e-4: adam(net, rate),
        lambda steps: step_decay([round(0.6 * steps)]),
    ),
}
NOT_AUGMENTED = {"vgg-13"}  # as in the paper
