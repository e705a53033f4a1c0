"""Elastic distortion of whole batches: every image's pixels moved by a smooth random field of its own."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.data.noise_sets import gaussian_blur as blurred


def elastic_transform(images: Tensor, level: int, generator: torch.Generator) -> Tensor:
    """A random affine map of each image, then each pixel moved by a smoothed random field; lengths scale with H."""
    strength, smoothness, reach = (
        (0, 0, 0.08),
        (0.05, 0.2, 0.07),
        (0.08, 0.06, 0.06),
        (0.1, 0.04, 0.05),
        (0.1, 0.03, 0.03),
    )[level]
    height = images.shape[2]
    corners = (2 * _uniform((len(images), 3, 2), images, generator) - 1) * reach * height
    field = 2 * _uniform((2, len(images), 1, *images.shape[2:]), images, generator) - 1  # along x and along y
    turned = sampled(images, affine_places(corners, height, images.shape[3]), about="pixels")
    if strength == 0:
        return turned
    smooth = [
        blurred(part, smoothness * height) * (strength * height) for part in field
    ]  # (N, 1, H, W) each, in pixels
    return sampled(turned, _grid(images) + torch.cat(smooth, 1).permute(0, 2, 3, 1), about="edges")


def affine_places(moves: Tensor, height: int, width: int) -> Tensor:
    """Where each pixel of the result is taken from, (N, H, W, 2) as (x, y) in pixels.

    The affine map takes three corners of a square of a third of the image to each side of its centre to themselves plus
    `moves`, (N, 3, 2) in pixels.
    """
    side, x, y = min(height, width) // 3, width // 2, height // 2
    corners = torch.tensor([[x + side, y + side], [x + side, y - side], [x - side, y - side]], device=moves.device)
    ends = torch.cat([corners + moves, torch.ones_like(moves[:, :, :1])], 2)  # (N, 3, 3), a row for each corner
    back = torch.linalg.solve(ends, corners.to(moves.dtype).expand(len(moves), 3, 2))  # (N, 3, 2): end to start
    across, down = torch.arange(width, device=moves.device), torch.arange(height, device=moves.device)
    grid = torch.stack(torch.meshgrid(across, down, indexing="xy"), 2).to(moves.dtype)  # (H, W, 2)
    return torch.einsum("hwi,nij->nhwj", torch.cat([grid, torch.ones_like(grid[:, :, :1])], 2), back)


def sampled(images: Tensor, places: Tensor, about: str) -> Tensor:
    """Images at places (N, H, W, 2) in pixels, bilinear, mirrored `about` the border's "pixels" or "edges"."""
    size = torch.tensor([images.shape[3], images.shape[2]], device=images.device)
    if about == "pixels":
        return F.grid_sample(images, 2 * places / (size - 1) - 1, padding_mode="reflection", align_corners=True)
    return F.grid_sample(images, (2 * places + 1) / size - 1, padding_mode="reflection", align_corners=False)


def _grid(images: Tensor) -> Tensor:
    """The places of the pixels themselves, (H, W, 2) as (x, y)."""
    down, across = (torch.arange(size, device=images.device) for size in images.shape[2:])
    return torch.stack(torch.meshgrid(across, down, indexing="xy"), 2).float()


def _uniform(shape: tuple[int, ...], images: Tensor, generator: torch.Generator) -> Tensor:
    """Uniform in [0, 1) on the device of the images."""
    return torch.rand(shape, generator=generator, device=generator.device).to(images.device)
