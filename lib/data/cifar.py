"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), read from the published Python batches."""

from pathlib import Path

import numpy as np
import torch

from lib.data.files import SourceFile, combined_checksum, require
from lib.data.image_set import ImageSet
from lib.data.pickles import read_batch

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_CIFAR100_NAMES = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
    caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
    flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
    motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
    poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
    squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
    wardrobe whale willow_tree wolf woman worm
"""
CIFAR100_CLASSES = tuple(_CIFAR100_NAMES.split())

# For each of the 100 classes, the index of its superclass ("coarse label"), five classes to each.
CIFAR100_SUPERCLASS = (
    *(4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7),
    *(6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10),
    *(16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16),
    *(12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13),
)

CIFAR10_TRAIN = (
    SourceFile("cifar-10-batches-py/data_batch_1", "md5:c99cafc152244af753f735de768cd75f", 31_035_704),
    SourceFile("cifar-10-batches-py/data_batch_2", "md5:d4bba439e000b95fd0a9bffe97cbabec", 31_035_320),
    SourceFile("cifar-10-batches-py/data_batch_3", "md5:54ebc095f3ab1f0389bbae665268c751", 31_035_999),
    SourceFile("cifar-10-batches-py/data_batch_4", "md5:634d18415352ddfa80567beed471001a", 31_035_696),
    SourceFile("cifar-10-batches-py/data_batch_5", "md5:482c414d41f54cd18b22e5b47cb7c3cb", 31_035_623),
)
CIFAR10_TEST = (SourceFile("cifar-10-batches-py/test_batch", "md5:40351d587109b95175f43aff81a1287e", 31_035_526),)
CIFAR100_TRAIN = (SourceFile("cifar-100-python/train", "md5:16019d7e3df5f24257cddd939b257f8d", 155_249_918),)
CIFAR100_TEST = (SourceFile("cifar-100-python/test", "md5:f0ef6b0ae62326f3e7ffdfab6717acfc", 31_049_707),)


def cifar10(root: Path, part: str, advice: str) -> ImageSet:
    """All 50,000 "train" or all 10,000 "test" images, (N, 3, 32, 32) uint8, in the order of the release."""
    files = {"train": CIFAR10_TRAIN, "test": CIFAR10_TEST}[part]
    return read_batches("cifar10", root, part, files, "labels", CIFAR10_CLASSES, advice)


def cifar100(root: Path, part: str, advice: str) -> ImageSet:
    """All 50,000 "train" or all 10,000 "test" images, (N, 3, 32, 32) uint8, with the 100 fine labels."""
    files = {"train": CIFAR100_TRAIN, "test": CIFAR100_TEST}[part]
    return read_batches("cifar100", root, part, files, "fine_labels", CIFAR100_CLASSES, advice)


def read_batches(
    name: str, root: Path, part: str, files: tuple[SourceFile, ...], key: str, classes: tuple[str, ...], advice: str
) -> ImageSet:
    """Verified batch files, one after the other, as one set; `key` is where a batch keeps its labels."""
    paths = require(name, files, root, advice)
    # Each image takes more than 3,072 bytes of its file. Filling one array is four times faster than joining batches.
    pixels = np.empty((sum(path.stat().st_size for path in paths) // 3072, 3072), np.uint8)  # channel by channel
    labels: list[int] = []
    for path in paths:
        batch = read_batch(path)
        pixels[len(labels) : len(labels) + len(batch[key])] = batch["data"]
        labels += batch[key]
    images = torch.from_numpy(pixels[: len(labels)].reshape(-1, 3, 32, 32))
    checksum = combined_checksum(files, f"{name} {part}")
    return ImageSet(images, torch.tensor(labels), classes, name, checksum, part)
