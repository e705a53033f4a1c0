import pytest
import torch

from lib.data.image_set import ImageSet
from lib.data.imbalance import class_sizes, imbalanced


@pytest.mark.parametrize(
    ("gamma", "sizes"),
    [
        (0.2, [5000, 858, 557, 439, 375, 333, 304, 282, 264, 250]),
        (1.0, [5000, 1607, 957, 682, 529, 433, 366, 317, 280, 250]),
        (2.0, [5000, 3173, 1972, 1289, 892, 648, 490, 382, 306, 250]),
    ],
)
def test_class_sizes_of_cifar10(gamma, sizes):
    assert class_sizes(10, 5000, 250, gamma) == sizes


def test_class_sizes_of_the_digits():
    assert class_sizes(10, 60, 3, 0.2) == [60, 10, 7, 5, 4, 4, 4, 3, 3, 3]
    assert class_sizes(10, 60, 3, 2.0) == [60, 38, 24, 15, 11, 8, 6, 5, 4, 3]


def balanced(per_class=20):
    labels = torch.arange(5).repeat(per_class)
    images = torch.arange(len(labels)).float().view(-1, 1, 1, 1)
    return ImageSet(images, labels, tuple("abcde"), "balanced", "0" * 64)


def test_imbalanced_keeps_the_sizes_asked_for():
    kept = imbalanced(balanced(), [20, 10, 5, 2, 1], 0)
    assert kept.labels.bincount().tolist() == [20, 10, 5, 2, 1]
    assert len(set(kept.images.flatten().tolist())) == 38


def test_imbalanced_follows_the_seed_and_can_shuffle_the_classes():
    sizes = [20, 10, 5, 2, 1]
    draws = [imbalanced(balanced(), sizes, seed).images.flatten().tolist() for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    shuffled = {tuple(imbalanced(balanced(), sizes, seed, shuffle_classes=True).labels.bincount()) for seed in range(5)}
    assert len(shuffled) > 1


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="images per class"):
        imbalanced(balanced(), [21, 1, 1, 1, 1], 0)
    with pytest.raises(ValueError, match="smallest < largest"):
        class_sizes(10, 5, 5, 1.0)
    with pytest.raises(ValueError, match="gamma"):
        class_sizes(10, 50, 5, 0.0)
