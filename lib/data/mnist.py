"""MNIST (LeCun et al. 1998), read from the uncompressed idx files."""

from pathlib import Path

import numpy as np
import torch

from lib.data.files import SourceFile, combined_checksum, require
from lib.data.image_set import ImageSet

DIGITS = tuple("0123456789")
MNIST_FILES = {
    "train": (
        SourceFile("MNIST/raw/train-images-idx3-ubyte", "md5:6bbc9ace898e44ae57da46a324031adb", 47_040_016),
        SourceFile("MNIST/raw/train-labels-idx1-ubyte", "md5:a25bea736e30d166cdddb491f175f624", 60_008),
    ),
    "test": (
        SourceFile("MNIST/raw/t10k-images-idx3-ubyte", "md5:2646ac647ad5339dbf082846283269ea", 7_840_016),
        SourceFile("MNIST/raw/t10k-labels-idx1-ubyte", "md5:27ae3e4e09519cfbb04c329615203637", 10_008),
    ),
}


def mnist(root: Path, part: str, advice: str) -> ImageSet:
    """All 60,000 "train" or all 10,000 "test" images, (N, 1, 28, 28) uint8, white strokes on black."""
    image_path, label_path = require("mnist", MNIST_FILES[part], root, advice)
    images = read_idx(image_path, header=16).reshape(-1, 1, 28, 28)
    labels = read_idx(label_path, header=8).astype(np.int64)
    checksum = combined_checksum(MNIST_FILES[part], f"mnist {part}")
    return ImageSet(torch.from_numpy(images), torch.from_numpy(labels), DIGITS, "mnist", checksum, part)


def read_idx(path: Path, header: int) -> np.ndarray:
    """The bytes of an idx file after its header (four bytes of type, four for each dimension), writable."""
    return np.fromfile(path, dtype=np.uint8, offset=header)
