"""SVHN, cropped digits (Netzer et al. 2011): house numbers, 32 x 32 RGB."""

from pathlib import Path

import numpy as np
import torch

from lib.data.arrays import read_npz
from lib.data.files import SourceFile, combined_checksum, require
from lib.data.image_set import UNLABELLED, ImageSet, pixel_checksum
from lib.data.mnist import DIGITS

SVHN_FILES = {
    "train": SourceFile("svhn/train_32x32.mat", "md5:e26dedcc434d2e4c54c9b2d4a06d8373", 182_040_794),
    "test": SourceFile("svhn/test_32x32.mat", "md5:eb5a983be6a315427106f1b164d9cef3", 64_275_384),
}
SVHN_SAMPLE = "samples/svhn_train_first1083.npz"
SVHN_SAMPLE_COUNT = 1_083
SVHN_SAMPLE_DIGEST = "ca021bebb4bdd06930a86b26090fe5816afa933612127fa73702d5f49d854554"


def svhn(root: Path, part: str, advice: str) -> ImageSet:
    """The 73,257 "train" or 26,032 "test" images, (N, 3, 32, 32) uint8; the digit 0 has label 0, not 10."""
    from scipy.io import loadmat

    file = SVHN_FILES[part]
    (path,) = require("svhn", [file], root, advice)
    table = loadmat(path)
    images = torch.from_numpy(np.ascontiguousarray(table["X"].transpose(3, 2, 0, 1)))  # was (32, 32, 3, N)
    labels = torch.from_numpy(table["y"].astype(np.int64).squeeze() % 10)
    return ImageSet(images, labels, DIGITS, "svhn", combined_checksum([file], f"svhn {part}"), part)


def svhn_sample(root: Path, advice: str) -> ImageSet:
    """The first 1,083 training images without labels, (1083, 3, 32, 32) uint8.

    Neighbours are often digits of one house number, so there are about half as many photographs as images. Read from
    `samples/`, or from the training part where that is there.
    """
    path = root / SVHN_SAMPLE
    if path.is_file():
        pixels = read_npz(path, {"images": SVHN_SAMPLE_DIGEST})["images"]  # (N, 32, 32, 3)
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
    else:
        images = svhn(root, "train", advice).images[:SVHN_SAMPLE_COUNT].clone()
    labels = torch.full((len(images),), UNLABELLED)
    return ImageSet(images, labels, (), "svhn-sample", pixel_checksum(images, labels), "all")
