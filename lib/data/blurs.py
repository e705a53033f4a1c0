"""Blurs of whole batches with the severities of CIFAR-10-C: level 0 (slight) to 4 (strong); see `corruptions.py`."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.data.noise_sets import gaussian_blur as blurred


def gaussian_blur(images: Tensor, level: int, generator: torch.Generator) -> Tensor:
    """Blur by a Gaussian of sigma pixels."""
    return blurred(images, (0.4, 0.6, 0.7, 0.8, 1.0)[level])


def defocus_blur(images: Tensor, level: int, generator: torch.Generator) -> Tensor:
    """Average over a disk of the given radius, its edge softened by a Gaussian."""
    radius, softness = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1))[level]
    offsets = torch.arange(-8.0, 9.0, device=images.device)
    disk = (offsets[:, None] ** 2 + offsets[None, :] ** 2 <= radius**2).float()
    kernel = blurred(disk[None, None], softness)[0, 0, 5:12, 5:12]
    return filtered(images, kernel / kernel.sum())


def glass_blur(images: Tensor, level: int, generator: torch.Generator) -> Tensor:
    """Blur, give every pixel the value of a random neighbour in passes over the image, blur again.

    The published generator means to exchange the two pixels; its exchange of NumPy views overwrites the first by the
    second and leaves the second as it was. So here, since the benchmark's files were made that way.
    """
    sigma, reach, passes = ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))[level]
    return blurred(scattered(blurred(images, sigma), reach, passes, generator), sigma)


def scattered(images: Tensor, reach: int, passes: int, generator: torch.Generator) -> Tensor:
    """From the last pixel to the first, each becomes its neighbour at an offset drawn from -reach to reach - 1."""
    n, channels, height, width = images.shape
    rows, columns = torch.arange(height - reach, reach, -1), torch.arange(width - reach, reach, -1)
    drawn = (passes, len(rows), len(columns), 2, n)
    offsets = torch.randint(-reach, reach, drawn, generator=generator, device=generator.device).to(images.device)
    which, places = torch.arange(n, device=images.device), (rows[:, None] * width + columns).to(images.device)
    moved = places[..., None] + offsets[:, :, :, 0] * width + offsets[:, :, :, 1]  # (passes, rows, columns, N)
    takes = (moved * n + which).flatten(0, 2)  # the entry of `sources` that a place takes over
    sources = torch.arange(height * width, device=images.device).repeat_interleave(n)  # (H W N): pixel, image by image
    for place, take in zip(places.flatten().tolist() * passes, takes, strict=True):
        sources[place * n : (place + 1) * n] = sources.index_select(0, take)
    pixels = sources.view(-1, 1, n).permute(2, 1, 0).expand(n, channels, -1)  # (N, C, H W)
    return images.flatten(2).gather(2, pixels).view_as(images)


def motion_blur(images: Tensor, level: int, generator: torch.Generator) -> Tensor:
    """Average along a line that starts at each pixel, in a direction of each image's own within 45 degrees."""
    radius, sigma = ((6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5))[level]
    turn = torch.rand(len(images), generator=generator, device=generator.device).to(images.device)
    return along_a_line(images, (turn - 0.5) * (math.pi / 2), radius, sigma)


def along_a_line(images: Tensor, angles: Tensor, radius: int, sigma: float) -> Tensor:
    """Mean over points i = 0 .. 2 radius along a line with weights exp(-i^2 / 2 sigma^2), as ImageMagick's motion blur.

    Args:
        images: (N, C, H, W), floats.
        angles: (N,), radians from the horizontal; a point is the nearest whole pixel, border pixels repeat outwards.
        radius: in pixels; the line is 2 radius + 1 pixels long.
        sigma: in pixels.

    Returns:
        A new batch (N, C, H, W).
    """
    points = torch.arange(2 * radius + 1)
    weights = torch.exp(-(points**2) / (2 * sigma**2))
    pictures = images.permute(0, 2, 3, 1).contiguous()  # (N, H, W, C): the channels of a pixel move together
    total = torch.zeros_like(pictures)
    for i, weight in zip(points.tolist(), (weights / weights.sum()).tolist(), strict=True):
        down, right = (-torch.ceil(i * part - 0.5).long() for part in (angles.sin(), angles.cos()))
        total += weight * shifted(pictures, down, right)
    return total.permute(0, 3, 1, 2).contiguous()


def shifted(pictures: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Each picture (H, W, C) of a batch moved by whole pixels, (N,) down and right; border pixels repeat inwards."""
    n, height, width, channels = pictures.shape
    rows = (torch.arange(height, device=pictures.device) - down[:, None]).clamp(0, height - 1)  # (N, H)
    columns = (torch.arange(width, device=pictures.device) - right[:, None]).clamp(0, width - 1)  # (N, W)
    first = torch.arange(n, device=pictures.device)[:, None, None] * (height * width)
    places = first + rows[:, :, None] * width + columns[:, None, :]  # (N, H, W), in the list of all pixels
    return pictures.view(-1, channels).index_select(0, places.flatten()).view(pictures.shape)


def zoom_blur(images: Tensor, level: int, generator: torch.Generator) -> Tensor:
    """Mean of the image and its enlargements in steps of 1 %."""
    last = (6, 11, 16, 21, 26)[level]
    zoomed = torch.zeros_like(images)
    for percent in range(last):
        zoomed += enlarged(images, 1 + percent / 100)
    return (images + zoomed) / (last + 1)


def filtered(images: Tensor, kernel: Tensor) -> Tensor:
    """Each channel of (N, C, H, W) convolved with an odd square kernel (k, k), the border pixels repeated outwards."""
    planes = images.flatten(0, 1)[:, None]  # (N C, 1, H, W)
    return F.conv2d(F.pad(planes, (len(kernel) // 2,) * 4, mode="replicate"), kernel[None, None]).view_as(images)


def enlarged(images: Tensor, factor: float) -> Tensor:
    """The middle of each image, enlarged by `factor` to the old size, bilinear."""
    theta = torch.tensor([[[1 / factor, 0, 0], [0, 1 / factor, 0]]], device=images.device)  # (1, 2, 3)
    planes = images.flatten(0, 1)[None]  # (1, N C, H, W): all planes at the same points
    grid = F.affine_grid(theta, list(planes.shape), align_corners=False)
    return F.grid_sample(planes, grid, padding_mode="border", align_corners=False).view_as(images)
