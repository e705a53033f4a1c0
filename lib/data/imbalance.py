"""Class imbalance after Hendrycks et al. 2019 (class imbalance experiments)."""

import numpy as np
import torch

from lib.data.image_set import ImageSet


def class_sizes(classes: int, largest: int, smallest: int, gamma: float) -> list[int]:
    """Number of images of each class under the power law n_c = a / (b + c^gamma), c = 1..K.

    a and b are solved from n_1 = `largest` and n_K = `smallest`; the paper names (5000, 250) as a and b themselves,
    which would leave about 20 images in class 1, while the solved reading gives its totals.

    Args:
        classes: number of classes K, at least 2.
        largest: size of class 1.
        smallest: size of class K.
        gamma: exponent > 0; the smaller it is, the faster the sizes fall.
    """
    if classes < 2 or not 0 < smallest < largest:
        raise ValueError(
            f"need at least 2 classes and 0 < smallest < largest, found {classes} classes, {smallest} and {largest}"
        )
    ratio = largest / smallest
    if gamma <= 0:
        raise ValueError(f"gamma must be positive, found {gamma}")
    b = (classes**gamma - ratio) / (ratio - 1)
    a = largest * (b + 1)
    return [round(a / (b + c**gamma)) for c in range(1, classes + 1)]


def imbalanced(images: ImageSet, sizes: list[int], seed: int, *, shuffle_classes: bool = False) -> ImageSet:
    """A random subset with sizes[c] images of class c, in the order of the set.

    Args:
        images: the balanced set to draw from.
        sizes: images to keep of each class, e.g. from `class_sizes`.
        seed: decides which images are kept.
        shuffle_classes: give the sizes to the classes in random order instead of label order.
    """
    random = np.random.RandomState(seed)
    wanted = random.permutation(sizes) if shuffle_classes else np.array(sizes)
    labels = images.labels.cpu().numpy()
    found = np.bincount(labels, minlength=len(images.classes))
    if len(wanted) != len(found) or (wanted > found).any():
        raise ValueError(f"{images.name}: wanted {wanted.tolist()} images per class, there are {found.tolist()}")
    kept = [random.permutation(np.flatnonzero(labels == c))[:size] for c, size in enumerate(wanted)]
    return images.take(torch.from_numpy(np.sort(np.concatenate(kept))))
