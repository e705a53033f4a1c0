"""Fixed and seeded partitions of a set; every part is disjoint from the others."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from lib.data.image_set import ImageSet

# NumPy promises that this generator's stream never changes, so a split is the same on every machine and version.
_FIXED_SEED = 20_170_210


def hold_out(images: ImageSet, count: int, split: str) -> ImageSet:
    """The "fit" or "validation" part of a training set.

    Validation is the last `count` images of one fixed permutation, fit the rest; each keeps the order of the set.

    Args:
        images: the whole training part.
        count: size of the validation part.
        split: "fit" or "validation".
    """
    order = np.random.RandomState(_FIXED_SEED).permutation(len(images))
    parts = {"fit": order[: len(images) - count], "validation": order[len(images) - count :]}
    return images.take(torch.from_numpy(np.sort(parts[split])), split)


def divide(images: ImageSet, test: int, split: str) -> ImageSet:
    """The "train" or "test" part of a set published in one piece.

    With labels the test part is a fixed stratified draw; without, it is the last `test` images, because neighbours in
    such sets tend to come from the same photograph.

    Args:
        images: the whole set.
        test: size of the test part.
        split: "train" or "test".
    """
    order = stratified_order(images.labels, _FIXED_SEED) if images.classes else np.arange(len(images))
    parts = {"train": order[: len(images) - test], "test": order[len(images) - test :]}
    return images.take(torch.from_numpy(np.sort(parts[split])), split)


def split(images: ImageSet, sizes: Sequence[int], seed: int) -> tuple[ImageSet, ...]:
    """Draw disjoint stratified parts of the given sizes, e.g. `train, test = split(digits, (797, 1000), seed)`.

    Each part holds every class in proportion, to within about one image; images beyond the sum of sizes stay unused.

    Args:
        images: the set to divide.
        sizes: number of images of each part; their sum is at most `len(images)`.
        seed: another seed gives another draw.

    Returns:
        One set per size, each in the order of `images`.
    """
    if min(sizes, default=0) < 0 or sum(sizes) > len(images):
        raise ValueError(f"{images.name}: cannot draw parts of {tuple(sizes)} from {len(images)} images")
    order = stratified_order(images.labels, seed)
    bounds = np.cumsum([0, *sizes])
    parts = [np.sort(order[start:end]) for start, end in pairwise(bounds)]
    return tuple(images.take(torch.from_numpy(part)) for part in parts)


def train_test(images: ImageSet, test_fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Divide all images into a train and a test part, stratified, at random by `seed`.

    Args:
        images: the set to divide.
        test_fraction: in (0, 1); the test part has this share, rounded to the nearest image.
        seed: another seed gives another division.
    """
    if not 0 < test_fraction < 1:
        raise ValueError(
            f"test_fraction must lie in (0, 1), found {test_fraction}; for counts use split(images, sizes)"
        )
    test_count = round(test_fraction * len(images))
    train, test = split(images, (len(images) - test_count, test_count), seed)
    return train.take(torch.arange(len(train)), "train"), test.take(torch.arange(len(test)), "test")


def stratified_order(labels: Tensor, seed: int) -> np.ndarray:
    """A random order of all indices in which every stretch holds the classes in proportion.

    Image r of the n of a class (shuffled) gets the rank (r + u) / n, u uniform per class; sorting by rank interleaves
    the classes evenly.
    """
    random = np.random.RandomState(seed)
    values = labels.cpu().numpy()
    rank = np.empty(len(values))  # (N,)
    for value in np.unique(values):
        members = np.flatnonzero(values == value)
        rank[random.permutation(members)] = (np.arange(len(members)) + random.uniform()) / len(members)
    return np.argsort(rank, kind="stable")
