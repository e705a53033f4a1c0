"""The pixel corruptions and the input scaling of Zhang et al. 2017 (section 2.1 and appendix A)."""

import torch
from torch import Tensor

from lib.data.image_set import to_float


def spatial_permutation(height: int, width: int, generator: torch.Generator) -> Tensor:
    """A random order of the height x width positions, (H W,), to be shared by all images of train and test."""
    return torch.randperm(height * width, generator=generator, device=generator.device)


def shuffled_pixels(images: Tensor, permutation: Tensor) -> Tensor:
    """Every image (N, C, H, W) with its positions in the same new order; the channels of a pixel stay together."""
    if permutation.shape != (images.shape[2] * images.shape[3],):
        raise ValueError(
            f"a permutation of {images.shape[2] * images.shape[3]} positions is needed for images of "
            f"{tuple(images.shape[2:])}, found {tuple(permutation.shape)}"
        )
    return images.flatten(2)[:, :, permutation.to(images.device)].view_as(images)


def random_pixels(images: Tensor, generator: torch.Generator) -> Tensor:
    """Every image (N, C, H, W) with its positions in a new order of its own; the channels of a pixel stay together."""
    count, channels, height, width = images.shape
    keys = torch.rand(count, height * width, generator=generator, device=generator.device).to(images.device)
    order = keys.argsort(1)[:, None].expand(-1, channels, -1)  # (N, C, H W)
    return images.flatten(2).gather(2, order).view_as(images)


def gaussian_pixels(
    images: Tensor, generator: torch.Generator, *, statistics: str = "channel", like: Tensor | None = None
) -> Tensor:
    """Independent Gaussian pixels with the mean and variance of a set, in place of its images.

    The paper does not say whether the moments are per channel or global, nor whether values are clipped; here they are
    not, so some leave [0, 1] and the moments hold.

    Args:
        images: (N, C, H, W), uint8 or float, whose shape is kept and whose pixels are replaced.
        generator: source of randomness.
        statistics: "channel" matches each channel, "global" all values together.
        like: the set whose moments are matched; by default `images`. Test images take those of the training set.

    Returns:
        float32, (N, C, H, W), in the units of images in [0, 1].
    """
    if statistics not in ("channel", "global"):
        raise ValueError(f'statistics must be "channel" or "global", found "{statistics}"')
    axes = (0, 2, 3) if statistics == "channel" else (0, 1, 2, 3)
    values = to_float(images if like is None else like)
    std, mean = torch.std_mean(values, axes, correction=0, keepdim=True)
    normal = torch.randn(images.shape, generator=generator, device=generator.device).to(images.device)
    return normal.mul_(std).add_(mean)


def per_image_whitening(images: Tensor) -> Tensor:
    """(x - mean) / max(std, 1 / sqrt(n)) with the moments of each image's n = C H W values (TensorFlow's formula).

    Args:
        images: (N, C, H, W), uint8 or float32 in [0, 1].

    Returns:
        float32 of the same shape, each image with mean 0 and, unless its contrast is very low, variance 1.
    """
    values = to_float(images)
    std, mean = torch.std_mean(values, (1, 2, 3), correction=0, keepdim=True)
    return (values - mean) / std.clamp(min=values[0].numel() ** -0.5)


def centre_crop(images: Tensor, size: int) -> Tensor:
    """The middle size x size pixels of every image, (N, C, size, size)."""
    top, left = (images.shape[2] - size) // 2, (images.shape[3] - size) // 2
    if top < 0 or left < 0:
        raise ValueError(f"cannot cut {size} x {size} from images of {tuple(images.shape[2:])}")
    return images[:, :, top : top + size, left : left + size]
