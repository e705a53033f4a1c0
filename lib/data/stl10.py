"""STL-10 (Coates, Ng and Lee 2011): 96 x 96 RGB."""

from pathlib import Path

import numpy as np
import torch

from lib.data.files import SourceFile, combined_checksum, require
from lib.data.image_set import ImageSet

STL10_CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
STL10_FILES = {
    "train": (
        SourceFile("stl10_binary/train_X.bin", "md5:918c2871b30a85fa023e0c44e0bee87f"),
        SourceFile("stl10_binary/train_y.bin", "md5:5a34089d4802c674881badbb80307741"),
    ),
    "test": (
        SourceFile("stl10_binary/test_X.bin", "md5:7f263ba9f9e0b06b93213547f721ac82"),
        SourceFile("stl10_binary/test_y.bin", "md5:36f9794fa4beb8a2c72628de14fa638e"),
    ),
}


def stl10(root: Path, part: str, advice: str) -> ImageSet:
    """The 5,000 labelled "train" or 8,000 "test" images, (N, 3, 96, 96) uint8."""
    pixel_path, label_path = require("stl10", STL10_FILES[part], root, advice)
    images = read_columns(pixel_path)
    labels = torch.from_numpy(np.fromfile(label_path, np.uint8).astype(np.int64) - 1)  # stored as 1..10
    return ImageSet(images, labels, STL10_CLASSES, "stl10", combined_checksum(STL10_FILES[part], f"stl10 {part}"), part)


def read_columns(path: Path) -> torch.Tensor:
    """Images (N, 3, 96, 96) from a file that stores every channel column by column."""
    return torch.from_numpy(np.fromfile(path, np.uint8).reshape(-1, 3, 96, 96)).transpose(2, 3).contiguous()
