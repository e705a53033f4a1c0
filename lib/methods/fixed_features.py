"""Features of images that are not learnt: Gabor filters, and a convolutional layer with random patches as filters.

Zhang et al. 2017 (table 3) put both before a kernel and say no more about them. The second follows Coates and Ng
(2012): patches are normalised and whitened, and what counts of a response is by how much it exceeds a threshold.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Features = Callable[[Tensor], Tensor]  # images (N, C, H, W) in [0, 1] -> (N, d)

ORIENTATIONS = 8
PATCH, STRIDE = 6, 2  # pixels
THRESHOLD = 0.25  # of the response to a whitened patch of unit length
PATCH_VARIANCE = 10 / 255**2  # added before a patch is divided by its contrast, on the scale of [0, 1]
WHITENING = 0.1  # added to the variances before their inverse root is taken
PATCHES_SEEN = 20_000  # from which mean and covariance are estimated
IMAGES_AT_ONCE = 50


def pixels(images: Tensor) -> Tensor:
    """The pixels themselves, (N, C, H, W) -> (N, C H W), float64."""
    return images.flatten(1).double()


def gabor_bank(wavelengths: tuple[float, ...], radius: int) -> Tensor:
    """Pairs of filters (2 x orientations x wavelengths, 1, 2 radius + 1, same): a wave under a Gaussian window.

    cos and sin of 2 pi u / wavelength, u the coordinate along the orientation, times exp(-(x^2 + y^2) / 2 sigma^2) with
    sigma = wavelength / 2; every filter has mean zero and length one.
    """
    line = torch.arange(-radius, radius + 1.0)
    y, x = torch.meshgrid(line, line, indexing="ij")
    bank = []
    for wavelength in wavelengths:
        window = torch.exp(-(x**2 + y**2) / (2 * (wavelength / 2) ** 2))
        for step in range(ORIENTATIONS):
            angle = math.pi * step / ORIENTATIONS
            phase = 2 * math.pi * (x * math.cos(angle) + y * math.sin(angle)) / wavelength
            bank += [torch.cos(phase) * window, torch.sin(phase) * window]
    filters = torch.stack(bank)
    filters -= filters.mean((1, 2), keepdim=True)
    return (filters / filters.flatten(1).norm(dim=1)[:, None, None])[:, None]


def gabor(images: Tensor) -> Tensor:
    """Energy of every pair of the bank, averaged over squares: grey images (N, 1, H, W) -> (N, d), float64.

    At 28 pixels: wavelengths 4 and 8, squares of 4 pixels, 784 features; at 8 pixels: wavelength 4, squares of 2.
    """
    large = images.shape[-1] >= 28
    wavelengths, radius, square = ((4.0, 8.0), 6, 4) if large else ((4.0,), 2, 2)
    bank = gabor_bank(wavelengths, radius)
    found = []
    for part in images.float().split(IMAGES_AT_ONCE):
        responses = F.conv2d(part, bank.to(part.device), padding=radius)  # (n, 2 pairs, H, W)
        even, odd = responses[:, 0::2], responses[:, 1::2]
        energy = (even**2 + odd**2).sqrt()  # the same wherever in its wave a line stands
        found.append(F.avg_pool2d(energy, square).flatten(1))
    return torch.cat(found).double()


def random_filters(images: Tensor, count: int, generator: torch.Generator) -> Features:
    """A layer of `count` filters taken at random from whitened patches of `images`; 8 `count` features an image.

    Args:
        images: (N, C, H, W) in [0, 1], training images.
        count: Filters.
        generator: Draws the patches.
    """
    patches = _random_patches(images, max(PATCHES_SEEN, count), generator)  # (P, C 6 6)
    mean = patches.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(patches.T).reshape(len(mean), -1))
    whiten = vectors @ (vectors / (values.clamp(min=0) + WHITENING).sqrt()).T  # ZCA: symmetric, so patches stay patches
    filters = (patches[:count] - mean) @ whiten
    filters = filters / filters.norm(dim=1, keepdim=True).clamp(min=1e-6)
    weight = whiten @ filters.T  # (C 6 6, count): whitening and filter in one product
    return lambda some: torch.cat([_responses(part, weight, mean) for part in some.float().split(IMAGES_AT_ONCE)])


def _responses(images: Tensor, weight: Tensor, mean: Tensor) -> Tensor:
    """Two-sided thresholded responses, summed over the four quadrants of an image: (N, 8 count), float64."""
    columns = F.unfold(images, PATCH, stride=STRIDE)  # (N, C 6 6, positions)
    rows = _normalised(columns.transpose(1, 2)) - mean  # (N, positions, C 6 6)
    response = rows @ weight
    side = math.isqrt(response.shape[1])
    grid = response.unflatten(1, (side, side))  # (N, side, side, count)
    halves = (slice(0, (side + 1) // 2), slice(side // 2, side))
    quadrants = [grid[:, rows, columns] for rows in halves for columns in halves]
    pooled = [F.relu(sign * part - THRESHOLD).sum((1, 2)) for part in quadrants for sign in (1, -1)]
    return torch.cat(pooled, dim=1).double()


def _random_patches(images: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` normalised patches (count, C 6 6) from random places of random images."""
    height, width = images.shape[2:]
    which = torch.randint(len(images), (count,), generator=generator)
    top = torch.randint(height - PATCH + 1, (count,), generator=generator)
    left = torch.randint(width - PATCH + 1, (count,), generator=generator)
    rows = (top[:, None] + torch.arange(PATCH))[:, :, None]  # (count, 6, 1)
    columns = (left[:, None] + torch.arange(PATCH))[:, None, :]  # (count, 1, 6)
    patches = images[which[:, None, None], :, rows, columns]  # (count, 6, 6, C)
    return _normalised(patches.permute(0, 3, 1, 2).flatten(1).float())


def _normalised(patches: Tensor) -> Tensor:
    """Each patch (..., C 6 6) less its mean, over its contrast."""
    centred = patches - patches.mean(-1, keepdim=True)
    return centred / (centred.var(-1, keepdim=True, unbiased=False) + PATCH_VARIANCE).sqrt()
