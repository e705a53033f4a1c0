"""A set of labelled images, whole in memory, and its conversion to float."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

UNLABELLED = -1


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with their labels, as one pair of tensors.

    Attributes:
        images: (N, C, H, W), uint8 in 0..255 or float32 in [0, 1].
        labels: (N,), int64, indices into `classes`; all -1 where a set has no labels (then `classes` is empty).
        classes: names of the classes, in the order of the labels.
        name: the name it was loaded under.
        checksum: sha256 in hex. Of the pixels and labels, or of the published digests of the source files, or, for
            sets drawn at random, of the recipe; a selection hashes its parent's checksum with its indices.
        split: "train", "fit", "validation", "test", "all", or what the caller made of it.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    name: str
    checksum: str
    split: str = "train"

    def __post_init__(self) -> None:
        """Refuse tensors that do not fit together."""
        check_images(self.images)
        check_labels(self.labels, len(self.images), len(self.classes), self.name)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one image: (channels, height, width)."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def take(self, indices: Tensor, split: str | None = None) -> "ImageSet":
        """The images at `indices` (int64 positions or a boolean mask of length N), in that order."""
        if indices.dtype == torch.bool:
            indices = indices.nonzero()[:, 0]
        indices = indices.to(self.images.device, torch.int64)
        digest = hashlib.sha256(self.checksum.encode() + indices.cpu().numpy().astype("<i8").tobytes()).hexdigest()
        return replace(
            self,
            images=self.images.index_select(0, indices),
            labels=self.labels.index_select(0, indices),
            checksum=digest,
            split=self.split if split is None else split,
        )

    def with_labels(self, labels: Tensor) -> "ImageSet":
        """The same images under other labels (say, corrupted ones); the checksum changes with them."""
        labels = labels.to(self.images.device, torch.int64)
        digest = hashlib.sha256(self.checksum.encode() + labels.cpu().numpy().astype("<i8").tobytes()).hexdigest()
        return replace(self, labels=labels, checksum=digest)

    def to(self, device: torch.device | str) -> "ImageSet":
        """The same set with both tensors on `device`."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def float_images(self) -> Tensor:
        """All images as float32 in [0, 1]; for a large set convert batch by batch with `to_float` instead."""
        return to_float(self.images)


def concatenate(first: ImageSet, second: ImageSet, split: str) -> ImageSet:
    """Two sets of the same shape and classes, one after the other, under the first one's name."""
    if first.shape != second.shape or first.classes != second.classes:
        raise ValueError(
            f"cannot join {first.name} {first.shape} and {second.name} {second.shape}: shapes or classes differ"
        )
    return ImageSet(
        torch.cat([first.images, second.images]),
        torch.cat([first.labels, second.labels]),
        first.classes,
        first.name,
        hashlib.sha256((first.checksum + second.checksum).encode()).hexdigest(),
        split,
    )


def to_float(images: Tensor) -> Tensor:
    """Images (N, C, H, W) as float32 in [0, 1]: uint8 is divided by 255, float32 returned as it is."""
    if images.dtype == torch.uint8:
        return images.float().div_(255)
    if images.dtype == torch.float32:
        return images
    raise TypeError(f"images must be uint8 or float32, found {images.dtype}; convert them first")


def pixel_checksum(images: Tensor, labels: Tensor) -> str:
    """The sha256 (hex) of shape, type, pixels and labels, the same on every machine."""
    digest = hashlib.sha256(f"{tuple(images.shape)} {images.dtype}".encode())
    digest.update(np.ascontiguousarray(images.cpu().numpy()).data)
    digest.update(labels.cpu().numpy().astype("<i8").tobytes())
    return digest.hexdigest()


def check_images(images: Tensor) -> None:
    """Raise unless `images` is (N, C, H, W) and uint8 or float32."""
    if images.ndim != 4:
        raise ValueError(f"images must have shape (N, C, H, W), found {tuple(images.shape)}; add the missing axes")
    if images.dtype not in (torch.uint8, torch.float32):
        raise TypeError(f"images must be uint8 (0..255) or float32 ([0, 1]), found {images.dtype}; convert them first")


def check_labels(labels: Tensor, count: int, classes: int, name: str) -> None:
    """Raise unless `labels` is int64 (count,) with values in 0..classes-1, or all -1 where there are no classes."""
    if labels.shape != (count,) or labels.dtype != torch.int64:
        raise ValueError(
            f"{name}: labels must be int64, one for each of {count} images, found {labels.dtype} {tuple(labels.shape)}"
        )
    if count == 0 or labels.is_meta:
        return
    low, high = int(labels.min()), int(labels.max())
    if classes == 0 and (low, high) != (UNLABELLED, UNLABELLED):
        raise ValueError(f"{name}: a set without classes has labels of -1 only, found {low}..{high}; name its classes")
    if classes > 0 and not 0 <= low <= high < classes:
        raise ValueError(f"{name}: labels must lie in 0..{classes - 1} ({classes} classes), found {low}..{high}")
