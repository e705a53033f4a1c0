"""The 1,797 handwritten 8x8 digits that come with scikit-learn (UCI optical recognition, its test part)."""

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import torch

from lib.data.files import DamagedData
from lib.data.image_set import ImageSet, pixel_checksum
from lib.data.mnist import DIGITS

DIGITS_CHECKSUM = "8ac13c63b78d72dcdcbf54c0d07b48d468eeeb670f633887ca25beeb84e8cd93"


def digits() -> ImageSet:
    """All digits, (1797, 1, 8, 8) float32: the 17 grey levels 0..16 divided by 16."""
    table = read_table()  # (1797, 65): 64 pixels and the label
    images = torch.from_numpy(table[:, :64].astype(np.float32) / 16).view(-1, 1, 8, 8)
    labels = torch.from_numpy(table[:, 64].astype(np.int64))
    checksum = pixel_checksum(images, labels)
    if checksum != DIGITS_CHECKSUM:
        raise DamagedData("scikit-learn's digits are not the known 1,797 images; reinstall scikit-learn")
    return ImageSet(images, labels, DIGITS, "digits", checksum, "all")


def read_table() -> np.ndarray:
    """Pixels and labels, (1797, 65).

    Read from scikit-learn's file without importing scikit-learn, which takes seconds; through it if the file has moved.
    """
    path = scikit_learn_folder() / "datasets" / "data" / "digits.csv.gz"
    if path.is_file():
        return np.loadtxt(gzip.decompress(path.read_bytes()).decode().splitlines(), delimiter=",")
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return np.column_stack([bunch.data, bunch.target])


def scikit_learn_folder() -> Path:
    """Where scikit-learn is installed, found without importing it."""
    specification = importlib.util.find_spec("sklearn")
    if specification is None or specification.origin is None:
        raise ModuleNotFoundError("scikit-learn is not installed; it brings the digits and the sample photographs")
    return Path(specification.origin).parent
