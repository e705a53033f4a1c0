"""Outliers made of in-distribution images alone, to choose a detector's settings on where real ones must stay unseen.

Hendrycks et al. 2019 (Outlier Exposure) choose on such images, as far as is remembered. None of them is a picture of
another set, so nothing that is chosen on them knows what it will be tested on.
"""

import torch
from torch import Tensor

from lib.data.image_set import to_float
from lib.data.noise_sets import blobs

TILES = 4  # tiles of a mosaic in a row


def means_of_two(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image averaged with another, the next in a random order: (N, C, H, W) -> (N, C, H, W) floats in [0, 1].

    Two may be of one class, as one pair in ten of CIFAR-10 is: their mean is no picture of it all the same.

    Raises:
        ValueError: there is only one image.
    """
    if len(images) < 2:
        raise ValueError(f"a mean of two needs two images, found {len(images)}")
    order = torch.randperm(len(images), generator=generator)
    partner = torch.empty_like(order)
    partner[order] = order.roll(1)  # never the image itself
    return (to_float(images) + to_float(images)[partner]) / 2


def mosaics(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image cut into 4 x 4 tiles that are laid anew in a random order of its own: (N, C, H, W) floats in [0, 1].

    Raises:
        ValueError: height or width is no multiple of four.
    """
    count, channels, height, width = images.shape
    if height % TILES or width % TILES:
        raise ValueError(f"images are cut into {TILES} x {TILES} tiles; {height} x {width} pixels cannot be")
    tall, wide = height // TILES, width // TILES
    tiles = to_float(images).reshape(count, channels, TILES, tall, TILES, wide).permute(0, 2, 4, 1, 3, 5)
    tiles = tiles.reshape(count, TILES**2, channels, tall, wide)
    order = torch.rand(count, TILES**2, generator=generator).argsort(dim=1)  # (N, 16)
    laid = tiles[torch.arange(count)[:, None], order].reshape(count, TILES, TILES, channels, tall, wide)
    return laid.permute(0, 3, 1, 4, 2, 5).reshape(images.shape)


def made_outliers(images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """As many outliers of each kind as there are images: kind -> (N, C, H, W) floats in [0, 1].

    Args:
        images: (N, C, H, W) in-distribution, uint8 or floats in [0, 1].
        generator: of partners, orders and blobs.
    """
    channels, height, width = images.shape[1:]
    return {
        "means of two": means_of_two(images, generator),
        "mosaics": mosaics(images, generator),
        "blobs": blobs(len(images), (channels, height, width), generator),
    }
