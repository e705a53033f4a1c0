"""Random rotations of whole batches, on the device of the images, uint8 or float."""

from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.data.augment import uniform


def random_rotation(images: Tensor, degrees: float, generator: torch.Generator | None = None) -> Tensor:
    """Turn every image about its centre by an angle uniform on -degrees..degrees.

    Args:
        images: (N, C, H, W), uint8 or float.
        degrees: the largest angle, in either direction.
        generator: source of randomness; None takes torch's own.

    Returns:
        A new batch of the same shape and type, as `rotate` gives it.
    """
    angles = (2 * uniform((len(images),), images.device, generator) - 1) * degrees
    return rotate(images, angles)


def rotate(images: Tensor, degrees: Tensor) -> Tensor:
    """Turn image i counter-clockwise by `degrees[i]`; bilinear, and beyond the border the image mirrored.

    Args:
        images: (N, C, H, W), uint8 or float; uint8 is rounded.
        degrees: (N,) angles.
    """
    height, width = images.shape[2:]
    angle = degrees * pi / 180
    cosine, sine = angle.cos(), angle.sin()
    zero = torch.zeros_like(angle)
    # The pixel (x, y) from the centre, y downwards, reads the input at (x cos - y sin, x sin + y cos). The grid's
    # coordinates run from -1 to 1 on both axes, whatever the sides.
    rows = [cosine, -sine * height / width, zero, sine * width / height, cosine, zero]
    grid = F.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(images.shape), align_corners=False)
    turned = F.grid_sample(images.float(), grid, padding_mode="reflection", align_corners=False)
    return turned.round().clamp(0, 255).to(torch.uint8) if images.dtype == torch.uint8 else turned.to(images.dtype)
