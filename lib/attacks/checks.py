"""What an attack accepts and what it may return; everything else is refused with what was found."""

from typing import get_args

import torch
from torch import Tensor

from lib.attacks.norms import Norm, size


def check_images(images: Tensor) -> None:
    """Refuses what is not a batch of float32 or float64 images, finite and in [0, 1]."""
    if images.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"images must be float32 or float64 in [0, 1], found {images.dtype}; divide uint8 by 255")
    if images.ndim < 2 or len(images) == 0:
        raise ValueError(f"images must be a batch (N, C, H, W) of at least one, found shape {tuple(images.shape)}")
    if not torch.isfinite(images).all():
        raise ValueError(f"images must be finite, found {int((~torch.isfinite(images)).sum())} values that are not")
    low, high = (bound.item() for bound in images.aminmax())
    if low < 0 or high > 1:
        raise ValueError(f"images must lie in [0, 1], found [{low:.6g}, {high:.6g}]; normalise inside the model")


def check_labels(labels: Tensor, count: int) -> None:
    """Refuses what is not one int64 class per image."""
    if labels.dtype != torch.int64 or labels.shape != (count,):
        raise ValueError(f"labels must be int64 of shape ({count},), found {labels.dtype} {tuple(labels.shape)}")
    if labels.min() < 0:
        raise ValueError(f"labels must not be negative, found {int(labels.min())}")


def check_threat(eps: float, norm: Norm) -> None:
    """Refuses a radius that is negative or not finite, and an unknown norm."""
    if not 0 <= eps < float("inf"):
        raise ValueError(f"eps must be finite and not negative, found {eps}")
    if norm not in get_args(Norm):
        raise ValueError(f"unknown norm {norm!r}: choose one of {', '.join(get_args(Norm))}")


def check_inputs(images: Tensor, labels: Tensor, eps: float, norm: Norm) -> None:
    """All checks that an attack makes before it starts."""
    check_images(images)
    check_labels(labels, len(images))
    check_threat(eps, norm)


def check_result(found: Tensor, images: Tensor, eps: float | None, norm: Norm) -> None:
    """Raises unless an attack's images have the right shape and lie in box and ball, to one ulp of the dtype."""
    if found.shape != images.shape or found.dtype != images.dtype:
        raise RuntimeError(
            f"the attack returned {found.dtype} {tuple(found.shape)} for {images.dtype} {tuple(images.shape)}"
        )
    if not (found.amin() >= 0 and found.amax() <= 1):  # false for NaN as well
        low, high = found.amin().item(), found.amax().item()
        raise RuntimeError(f"the attack left the box [0, 1]: it returned values in [{low:.9g}, {high:.9g}]")
    if eps is None:
        return
    largest = size(found.double() - images.double(), norm).amax().item()
    if largest > eps + torch.finfo(images.dtype).eps * max(1.0, eps):
        raise RuntimeError(f"the attack left the {norm} ball: eps is {eps:.9g} and it moved an image by {largest:.9g}")


def check_logits(logits: Tensor, labels: Tensor) -> None:
    """Refuses outputs that are not finite logits (N, K) covering the labels."""
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(labels):
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"the model must return logits (N, K) for {len(labels)} images, found {found}")
    if labels.max() >= logits.shape[1]:
        raise ValueError(f"the model has {logits.shape[1]} classes and a label is {int(labels.max())}")
    if not torch.isfinite(logits).all():
        bad = int((~torch.isfinite(logits)).any(1).sum())
        raise ValueError(f"the model's logits are not finite for {bad} of {len(logits)} images: has training diverged?")
