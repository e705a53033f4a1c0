"""What an attack accepts and what it may return; everything else is refused with what was found."""

from numbers import Integral
from typing import get_args

import torch
from torch import Tensor

from lib.attacks.norms import Norm, size


def check_images(images: Tensor) -> None:
    """Refuses what is not a batch of float32 or float64 images, finite and in [0, 1]."""
    if not isinstance(images, Tensor):
        raise ValueError(f"images must be a tensor (N, C, H, W) in [0, 1], found {type(images).__name__}")
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
    if not isinstance(labels, Tensor):
        raise ValueError(f"labels must be an int64 tensor of shape ({count},), found {type(labels).__name__}")
    if labels.dtype != torch.int64 or labels.shape != (count,):
        raise ValueError(f"labels must be int64 of shape ({count},), found {labels.dtype} {tuple(labels.shape)}")
    if labels.min() < 0:
        raise ValueError(f"labels must not be negative, found {int(labels.min())}")


def check_threat(eps: float, norm: Norm, images: Tensor) -> None:
    """Refuses an unknown norm, and a radius that is negative, not finite or larger than the box of the images."""
    if not 0 <= eps < float("inf"):
        raise ValueError(f"eps must be finite and not negative, found {eps}")
    if norm not in get_args(Norm):
        raise ValueError(f"unknown norm {norm!r}: choose one of {', '.join(get_args(Norm))}")
    largest = 1.0 if norm == "linf" else images[0].numel() ** 0.5  # the way across the box
    if eps > largest:
        raise ValueError(
            f"eps must be at most {largest:.6g}, which spans the whole box [0, 1] in {norm}, found {eps}; "
            f"a radius in grey levels is divided by 255: eps={eps:g} / 255"
        )


def check_inputs(images: Tensor, labels: Tensor, eps: float, norm: Norm) -> None:
    """All checks that an attack makes before it starts."""
    check_images(images)
    if isinstance(labels, Tensor) and labels.device != images.device:
        raise ValueError(f"images and labels must be on one device, found {images.device} and {labels.device}")
    check_labels(labels, len(images))
    check_threat(eps, norm, images)


def check_counts(**counts: int) -> None:
    """Refuses any setting that is not a whole number of at least 1."""
    wrong = {name: count for name, count in counts.items() if not isinstance(count, Integral) or count < 1}
    if wrong:
        found = ", ".join(f"{name}={count!r}" for name, count in wrong.items())
        raise ValueError(f"{' and '.join(wrong)} must be whole numbers of at least 1, found {found}")


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


def check_output(output: Tensor, images: int) -> None:
    """Refuses a model's output that is not one row of at least two numbers per image; does not look at the numbers."""
    if not isinstance(output, Tensor) or output.ndim != 2 or len(output) != images:
        found = tuple(output.shape) if isinstance(output, Tensor) else f"a {type(output).__name__}"
        raise ValueError(f"the model must return logits (N, K) for {images} images, found {found}")
    if output.shape[1] < 2:
        raise ValueError(
            "the model has one output, which is the largest whatever it is, so no attack could change the class; "
            "for two classes with a single logit z return torch.cat([torch.zeros_like(z), z], 1)"
        )


def check_logits(logits: Tensor, labels: Tensor, *, images: int | None = None, finite: bool = True) -> None:
    """Refuses outputs that are not logits (N, K), K >= 2, covering the labels, and finite unless told otherwise.

    Args:
        logits: what the model returned.
        labels: (N,) or, if `images` is given, the labels of more images than were passed.
        images: number of images passed, as many as labels by default.
        finite: whether to look for values that are not finite.
    """
    check_output(logits, len(labels) if images is None else images)
    if labels.max() >= logits.shape[1]:
        raise ValueError(f"the model has {logits.shape[1]} classes and a label is {int(labels.max())}")
    if finite and not torch.isfinite(logits).all():
        bad = int((~torch.isfinite(logits)).any(1).sum())
        raise ValueError(f"the model's logits are not finite for {bad} of {len(logits)} images: has training diverged?")
