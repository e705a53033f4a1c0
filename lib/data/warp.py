"""Small random rotations, scales and shifts of whole batches: the augmentation of 8x8 digits, where a flip is wrong."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.data.augment import uniform

DEGREES, SCALE, SHIFT = 12.0, 0.1, 0.125  # largest turn, change of size, and shift as a part of half the width


def small_warp(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Turn, scale and shift each image by its own random amounts, uniform up to the constants above; borders are 0.

    Args:
        images: (N, C, H, W), uint8 or float.
        generator: source of randomness; None takes torch's own.

    Returns:
        A new batch of the same shape and type.
    """
    amounts = 2 * uniform((4, len(images)), images.device, generator) - 1  # (4, N) in [-1, 1)
    angle, scale = amounts[0] * math.radians(DEGREES), 1 + SCALE * amounts[1]
    cos, sin = angle.cos() * scale, angle.sin() * scale
    x, y = SHIFT * amounts[2], SHIFT * amounts[3]
    places = torch.stack([torch.stack([cos, -sin, x], 1), torch.stack([sin, cos, y], 1)], 1)  # (N, 2, 3)
    grid = F.affine_grid(places, list(images.shape), align_corners=False)
    warped = F.grid_sample(images.float(), grid, padding_mode="zeros", align_corners=False)
    return warped if images.is_floating_point() else warped.round().to(images.dtype)
