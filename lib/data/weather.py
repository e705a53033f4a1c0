"""Snow, frost and fog over whole batches with the severities of CIFAR-10-C: level 0 to 4; see `corruptions.py`."""

import math

import torch
from torch import Tensor

from lib.data.blurs import along_a_line, enlarged

GREY = (0.299, 0.587, 0.114)  # weights of red, green and blue in what the eye takes for brightness


def snow(images: Tensor, level: int, generator: torch.Generator) -> Tensor:
    """Flakes streaked by their fall, in two directions, before a paler image."""
    mean, std, size, cut, radius, sigma, kept = (
        (0.1, 0.2, 1.0, 0.6, 8, 3.0, 0.95),
        (0.1, 0.2, 1.0, 0.5, 10, 4.0, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4.0, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6.0, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12.0, 0.8),
    )[level]
    place = generator.device
    drawn = mean + std * torch.randn((len(images), 1, *images.shape[2:]), generator=generator, device=place)
    fall = torch.rand(len(images), generator=generator, device=place).to(images.device)
    flakes = enlarged(drawn.to(images.device), size)
    flakes = along_a_line(flakes.masked_fill(flakes < cut, 0).clamp(0, 1), -(fall + 0.5) * (math.pi / 2), radius, sigma)
    pale = torch.maximum(images, 1.5 * grey(images) + 0.5)
    return kept * images + (1 - kept) * pale + flakes + flakes.rot90(2, (2, 3))


def fog(images: Tensor, level: int, generator: torch.Generator) -> Tensor:
    """Add clouds, then scale so that the brightest value an image can reach is the one it had."""
    strength, decay = ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75))[level]
    height, width = images.shape[2:]
    size = 2 ** math.ceil(math.log2(max(height, width)))
    clouds = plasma(len(images), size, decay, generator)[:, None, :height, :width].to(images.device)
    brightest = images.amax((1, 2, 3), keepdim=True)
    return (images + strength * clouds) * brightest / (brightest + strength)


def frost(images: Tensor, level: int, generator: torch.Generator) -> Tensor:
    """Mix in bright ridges, a drawn stand-in for the benchmark's photographs of frost, with the benchmark's weights."""
    image_part, frost_part = ((1.0, 0.2), (1.0, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))[level]
    height, width = images.shape[2:]
    size = 2 ** math.ceil(math.log2(max(height, width)))
    relief = plasma(len(images), size, 1.5, generator)[:, None, :height, :width].to(images.device)
    crystals = 1 - (4 * relief - 2).abs().clamp(max=1)  # ridges where the relief is near its middle
    return image_part * images + frost_part * crystals


def plasma(count: int, size: int, decay: float, generator: torch.Generator) -> Tensor:
    """Fractal clouds (count, size, size), each from 0 to 1, by the diamond-square algorithm on a torus.

    Every place is the mean of its four neighbours at the present distance plus a uniform draw, whose width falls by
    decay^2 with each halving of the distance (the published generator multiplies by its width twice).

    Args:
        count: number of images.
        size: a power of two.
        decay: above 1; the larger, the smoother.
        generator: source of randomness.
    """
    clouds = torch.zeros(count, size, size, device=generator.device)
    step, width = size, 1.0
    while step >= 2:
        half = step // 2
        corners = clouds[:, ::step, ::step]
        pairs = corners + corners.roll(-1, 1)
        middles = (pairs + pairs.roll(-1, 2)) / 4 + width * _centred(corners, generator)
        beside = (
            corners + corners.roll(-1, 2) + middles + middles.roll(1, 1)
        )  # the ends of a row, the middles around it
        below = corners + corners.roll(-1, 1) + middles + middles.roll(1, 2)
        clouds[:, half::step, half::step] = middles
        clouds[:, ::step, half::step] = beside / 4 + width * _centred(corners, generator)
        clouds[:, half::step, ::step] = below / 4 + width * _centred(corners, generator)
        step, width = half, width / decay**2
    clouds -= clouds.amin((1, 2), keepdim=True)
    return clouds / clouds.amax((1, 2), keepdim=True)


def grey(images: Tensor) -> Tensor:
    """Brightness (N, 1, H, W) of images with one or three channels."""
    if images.shape[1] == 1:
        return images
    weights = torch.tensor(GREY, device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)


def _centred(like: Tensor, generator: torch.Generator) -> Tensor:
    """Uniform draws in [-1, 1) of the shape of a tensor."""
    return 2 * torch.rand(like.shape, generator=generator, device=generator.device) - 1
