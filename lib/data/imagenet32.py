"""Downsampled ImageNet at 32 x 32 (Chrabaszcz et al. 2017), the source task of Hendrycks et al. 2019."""

from pathlib import Path

import numpy as np
import torch

from lib.data.files import SourceFile, combined_checksum, require
from lib.data.image_set import ImageSet

IMAGENET_CLASSES = tuple(f"class {index}" for index in range(1_000))
IMAGENET32_FILES = {
    "train": (
        SourceFile("imagenet32/train_data_batch_1.npz", "md5:464fde20de6eb44c28cc1a8c11544bb1"),
        SourceFile("imagenet32/train_data_batch_2.npz", "md5:bdb56e71882c3fd91619d789d5dd7c79"),
        SourceFile("imagenet32/train_data_batch_3.npz", "md5:83ff36d76ea26867491a281ea6e1d03b"),
        SourceFile("imagenet32/train_data_batch_4.npz", "md5:98ff184fe109d5c2a0f6da63843880c7"),
        SourceFile("imagenet32/train_data_batch_5.npz", "md5:62b8803e13c3e6de9498da7aaaae57c8"),
        SourceFile("imagenet32/train_data_batch_6.npz", "md5:e0b06665f890b029f1d8d0a0db26e119"),
        SourceFile("imagenet32/train_data_batch_7.npz", "md5:9731f469aac1622477813c132c5a847a"),
        SourceFile("imagenet32/train_data_batch_8.npz", "md5:60aed934b9d26b7ee83a1a83bdcfbe0f"),
        SourceFile("imagenet32/train_data_batch_9.npz", "md5:b96328e6affd718660c2561a6fe8c14c"),
        SourceFile("imagenet32/train_data_batch_10.npz", "md5:1dc618d544c554220dd118f72975470c"),
    ),
    "test": (SourceFile("imagenet32/val_data.npz", "md5:a8c04a389f2649841fb7a01720da9dd9"),),
}


def imagenet32(root: Path, part: str, advice: str) -> ImageSet:
    """The 1,281,167 "train" images (3.9 GB in memory) or the 50,000 of the validation set as "test", (N, 3, 32, 32)."""
    paths = require("imagenet32", IMAGENET32_FILES[part], root, advice)
    batches = [read_batch(path) for path in paths]
    images = torch.from_numpy(np.concatenate([pixels for pixels, _ in batches]).reshape(-1, 3, 32, 32))
    labels = torch.from_numpy(
        np.concatenate([labels for _, labels in batches]).astype(np.int64) - 1
    )  # stored as 1..1000
    checksum = combined_checksum(IMAGENET32_FILES[part], f"imagenet32 {part}")
    return ImageSet(images, labels, IMAGENET_CLASSES, "imagenet32", checksum, part)


def read_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 3072) uint8 and labels (N,) in 1..1000 of one file."""
    with np.load(path, allow_pickle=False) as stored:
        return stored["data"], stored["labels"]
