"""Input scaling as the first module of a net, so that every attack and every metric sees images in [0, 1]."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.2470, 0.2435, 0.2616)


def unit_range(images: Tensor) -> Tensor:
    """Images as floats in [0, 1]: uint8 is divided by 255, floating point is taken to be in [0, 1] already."""
    return images / 255 if images.dtype == torch.uint8 else images


class Standardise(nn.Module):
    """(x - mean) / std with one constant per channel, or one for all.

    Args:
        mean: in units of [0, 1] images; a number serves every channel.
        std: likewise. The default pair maps [0, 1] to [-1, 1].

    Raises:
        ValueError: at construction when a std is not positive, at a call when the channels do not match.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: float | Sequence[float] = 0.5, std: float | Sequence[float] = 0.5) -> None:
        """Keep both constants as buffers of shape (1, C or 1, 1, 1)."""
        super().__init__()
        # Buffers travel with the weights: a loaded net scales its input as the net that was trained did.
        self.register_buffer("mean", _per_channel(mean))
        self.register_buffer("std", _per_channel(std))
        if min(_as_list(std)) <= 0:
            raise ValueError(f"std must be positive, found {std}")

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] or uint8 -> (N, C, H, W), standardised."""
        expected = max(self.mean.shape[1], self.std.shape[1])
        if expected not in (1, images.shape[1]):
            # Broadcasting would otherwise turn a grey image into three channels without a word.
            raise ValueError(f"mean and std have {expected} channels, the images {images.shape[1]}: pass matching ones")
        return (unit_range(images) - self.mean) / self.std


class PerImageWhitening(nn.Module):
    """(x - m) / max(s, 1 / sqrt(D)) with m, s the mean and deviation over all D = C H W values of one image.

    The preprocessing of Zhang et al. 2017, appendix A; the floor on s is TensorFlow's, for images of one colour.
    """

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] or uint8 -> (N, C, H, W), each image with mean 0 and variance 1."""
        x = unit_range(images)
        centred = x - x.mean(dim=(1, 2, 3), keepdim=True)
        variance = centred.square().mean(dim=(1, 2, 3), keepdim=True)  # (N, 1, 1, 1)
        # max(s, f) = sqrt(max(s^2, f^2)), and this form has a finite gradient at s = 0.
        return centred / variance.clamp(min=1 / x[0].numel()).sqrt()


class CentreCrop(nn.Module):
    """The middle `height` x `width` of each image; nothing happens to images of that size already."""

    def __init__(self, height: int, width: int) -> None:
        """Size in pixels."""
        super().__init__()
        self.height, self.width = height, width

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, height, width), a view."""
        top, left = (images.shape[2] - self.height) // 2, (images.shape[3] - self.width) // 2
        if top < 0 or left < 0:
            found = tuple(images.shape[2:])
            raise ValueError(f"images must be at least {self.height} x {self.width} pixels, found {found}")
        return images[:, :, top : top + self.height, left : left + self.width]


def whitened_crop(height: int, width: int) -> nn.Module:
    """Centre crop, then per-image whitening: the input of every CIFAR-10 net of Zhang et al. 2017."""
    return nn.Sequential(CentreCrop(height, width), PerImageWhitening())


def _as_list(value: float | Sequence[float]) -> list[float]:
    return list(value) if isinstance(value, Sequence) else [value]


def _per_channel(value: float | Sequence[float]) -> Tensor:
    return torch.tensor(_as_list(value), dtype=torch.float32).reshape(1, -1, 1, 1)
