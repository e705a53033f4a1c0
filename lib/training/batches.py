"""Mini-batches by index from a data set that lies on the device as a whole."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Batch(NamedTuple):
    """What one step sees."""

    images: Tensor  # (B, C, H, W), augmented, uint8 or float in [0, 1]
    labels: Tensor  # (B,) class indices or (B, K) soft targets
    indices: Tensor  # (B,) places in the training set, to look up weights, old predictions, unlabelled partners
    step: int  # from 0
    generator: torch.Generator  # for random choices within the step; on the device of the images


class Batches:
    """The batches of all epochs: each epoch is a permutation that follows from (seed, epoch) alone.

    Since no state is kept between epochs, step number s has the same images before and after an interruption.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, batch_size: int, seed: int, device: torch.device, drop_last: bool = False
    ) -> None:
        """Put (N, C, H, W) images and (N,) or (N, K) labels on the device; see `train` for the arguments."""
        check_data(images, labels, batch_size)
        self.count, self.batch_size, self.seed = len(images), min(batch_size, len(images)), seed
        # Rows of a (N, H, W, C) copy are contiguous: selecting is a plain copy, and the result is channels-last.
        self.last_is_channel = images.ndim == 4
        rows = images.permute(0, 2, 3, 1) if self.last_is_channel else images
        self.rows, self.labels = rows.contiguous().to(device), labels.to(device)
        whole, rest = divmod(self.count, self.batch_size)
        self.per_epoch = whole + (rest > 0 and not drop_last)
        self.epoch, self.order = -1, torch.empty(0)

    def last_is_single(self, steps: int) -> bool:
        """Whether a batch among so many steps has one image alone."""
        return (
            self.batch_size > 1
            and self.count % self.batch_size == 1
            and steps >= self.per_epoch > self.count // self.batch_size
        )

    def indices(self, step: int) -> Tensor:
        """(B,) places in the training set of the images of step number `step`."""
        epoch, position = divmod(step, self.per_epoch)
        if epoch != self.epoch:
            self.epoch, self.order = epoch, epoch_order(self.count, self.seed, epoch).to(self.rows.device)
        return self.order[position * self.batch_size : (position + 1) * self.batch_size]

    def at(self, step: int, generator: torch.Generator) -> Batch:
        """The batch of step number `step`, not augmented."""
        indices = self.indices(step)
        images = self.rows.index_select(0, indices)
        images = images.permute(0, 3, 1, 2) if self.last_is_channel else images
        return Batch(images, self.labels.index_select(0, indices), indices, step, generator)


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """The permutation (count,) of 0 .. count - 1 of one epoch."""
    return torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(count))


def check_data(images: Tensor, labels: Tensor, batch_size: int) -> None:
    """Raise a ValueError when the data cannot be what `train` needs."""
    if len(images) != len(labels) or len(images) == 0:
        raise ValueError(f"one label per image is needed, found {len(images)} images and {len(labels)} labels")
    if labels.ndim == 2 and not labels.is_floating_point():
        raise ValueError(f"soft targets (N, K) must be floating point, found {labels.dtype}")
    if labels.ndim == 1 and labels.dtype != torch.int64:
        raise ValueError(f"class indices (N,) must be int64, found {labels.dtype}")
    if labels.ndim not in (1, 2):
        raise ValueError(f"labels must be class indices (N,) or soft targets (N, K), found shape {tuple(labels.shape)}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, found {batch_size}")
