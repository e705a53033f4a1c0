"""The sets of `papers/confidence-calibrated-OOD`: in-distribution, out-of-distribution and seen, or not seen."""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.data.augment import crop_and_flip, random_crop
from lib.data.image_set import ImageSet, to_float
from lib.data.letters import DIGIT_LOOK_ALIKES
from lib.data.load import load as read
from lib.data.noise_sets import gaussian, noise
from lib.data.splits import split
from lib.training.device import derived_seed
from lib.training.loop import Augment

Shape = tuple[int, int, int]

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
    seen_kinds, other_kinds = kinds(load(broad, "train"), seen_share, seed)
    fresh_kinds, _ = kinds(load(broad, "test"), seen_share, seed)
    sets = {f"broad/{broad}": fresh_kinds, f"narrow/{narrow}": load(narrow, "test")}
    sets |= {f"near/{name}": other_kinds if name == broad else load(name, "test") for name in near}
    sets |= {f"far/{name}": load(name, "test") for name in far}
    tested = {name: in_shape(taken(images, count, seed, name), shape, seed) for name, images in sets.items()}
    for kind in noises:
        source = torch.Generator().manual_seed(derived_seed(seed, 2, noises.index(kind)))
        tested[f"noise/{kind}"] = drawn_noise(kind, count, shape, source)
    return {"broad": seen_kinds.images, "narrow": load(narrow, "train").images}, tested


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
    """Images of the in-distribution's shape; grey strokes are put in two random colours where colour is wanted."""
    if tuple(images.shape[1:]) == tuple(shape):
        return images
    channels, height, width = images.shape[1:]
    if channels != 1 or height > shape[1] or width > shape[2]:
        raise ValueError(f"cannot bring images of {tuple(images.shape[1:])} to {shape}; only grey, smaller ones are")
    sides = (shape[2] - width, shape[1] - height)
    border = (sides[0] // 2, sides[0] - sides[0] // 2, sides[1] // 2, sides[1] - sides[1] // 2)
    ink = F.pad(to_float(images), border)  # (N, 1, H, W)
    generator = torch.Generator().manual_seed(derived_seed(seed, 3))
    front, back = torch.rand(2, len(images), shape[0], 1, 1, generator=generator)
    return (255 * (ink * front + (1 - ink) * back)).round().to(torch.uint8)


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
