"""Random stand-ins with the shape, classes and type of a real set, for dry runs that touch no disk."""

import hashlib

import numpy as np
import torch

from lib.data.catalogue import Facts
from lib.data.image_set import UNLABELLED, ImageSet, pixel_checksum

FAKE_TRAIN, FAKE_VALIDATION, FAKE_TEST = 256, 20, 20


def fake(name: str, facts: Facts, part: str) -> ImageSet:
    """Random images in place of the set `name`: 256 for "train", 20 for "test"; the same every time.

    Labels run through all classes in turn, so that every class occurs wherever there are enough images.
    """
    count = {"train": FAKE_TRAIN, "test": FAKE_TEST}[part]
    random = np.random.RandomState(int(hashlib.sha256(f"{name} {part}".encode()).hexdigest()[:8], 16))
    pixels = random.randint(0, 256, (count, *facts.shape), dtype=np.uint8)
    images = torch.from_numpy(pixels)
    if facts.dtype == "float32":
        images = images.float() / 255
    classes = len(facts.classes)
    order = random.permutation(count)
    labels = torch.from_numpy(order % classes if classes else np.full(count, UNLABELLED))
    return ImageSet(images, labels, facts.classes, f"fake:{name}", pixel_checksum(images, labels), part)
