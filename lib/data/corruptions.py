"""The fifteen common corruptions of CIFAR-10-C (Hendrycks and Dietterich 2019), on batches of tensors.

The severities are the constants of the benchmark's published generator for CIFAR. The operations are ours: where the
original calls an image library, results agree in kind, not in every pixel; `APPROXIMATE` says where and how. Use the
published files for a benchmark (`cifar10_c`). Blurs are in `blurs.py`, weather in `weather.py`, and what
moves pixels in `distortions.py`.
"""

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lib.data.blurs import defocus_blur, gaussian_blur, glass_blur, motion_blur, zoom_blur
from lib.data.distortions import elastic_transform
from lib.data.image_set import to_float
from lib.data.weather import fog, frost, snow


def corrupt(images: Tensor, kind: str, severity: int, generator: torch.Generator) -> Tensor:
    """Images under one corruption, each image with its own draws.

    Args:
        images: (N, C, H, W), uint8 or float32 in [0, 1]. The constants are meant for 32 x 32; lengths are in pixels.
        kind: one of `CORRUPTIONS`.
        severity: 1 (slight) to 5 (strong).
        generator: source of randomness.

    Returns:
        A new batch of the same shape and type, uint8 rounded as in the benchmark's files.

    Raises:
        ValueError: no such corruption or severity.
    """
    if kind not in CORRUPTIONS:
        raise ValueError(f'no corruption called "{kind}"; there are {", ".join(CORRUPTIONS)}')
    if severity not in range(1, 6):
        raise ValueError(f"severity must be 1 to 5, found {severity}")
    changed = CORRUPTIONS[kind](to_float(images), severity - 1, generator).clamp(0, 1)
    return (changed * 255).round().to(torch.uint8) if images.dtype == torch.uint8 else changed


def gaussian_noise(images: Tensor, level: int, generator: torch.Generator) -> Tensor:
    """Add N(0, std^2)."""
    std = (0.04, 0.06, 0.08, 0.09, 0.10)[level]
    return images + std * torch.randn(images.shape, generator=generator, device=generator.device).to(images.device)


def shot_noise(images: Tensor, level: int, generator: torch.Generator) -> Tensor:
    """Poisson(x rate) / rate: the photon counts of a dim exposure."""
    rate = (500, 250, 100, 75, 50)[level]
    return (torch.poisson(images.to(generator.device) * rate, generator=generator) / rate).to(images.device)


def impulse_noise(images: Tensor, level: int, generator: torch.Generator) -> Tensor:
    """Set a fraction of the values to 0 or 1, half each."""
    amount = (0.01, 0.02, 0.03, 0.05, 0.07)[level]
    u = torch.rand(images.shape, generator=generator, device=generator.device).to(images.device)
    return images.masked_fill(u < amount / 2, 0.0).masked_fill(u > 1 - amount / 2, 1.0)


def brightness(images: Tensor, level: int, generator: torch.Generator) -> Tensor:
    """Raise the value V of HSV, V = max(R, G, B), keeping hue and saturation."""
    value = images.amax(1, keepdim=True)
    brighter = (value + (0.05, 0.1, 0.15, 0.2, 0.3)[level]).clamp(max=1)
    return torch.where(value > 0, images * (brighter / value.clamp(min=1e-12)), brighter)


def contrast(images: Tensor, level: int, generator: torch.Generator) -> Tensor:
    """Pull every channel of an image towards its mean."""
    mean = images.mean((2, 3), keepdim=True)
    return (images - mean) * (0.75, 0.5, 0.4, 0.3, 0.15)[level] + mean


def pixelate(images: Tensor, level: int, generator: torch.Generator) -> Tensor:
    """Shrink and enlarge again with a box filter, as Pillow applies it."""
    scale = (0.95, 0.9, 0.85, 0.75, 0.65)[level]
    height, width = images.shape[2:]
    down = box_weights(height, int(height * scale)), box_weights(width, int(width * scale))
    up = box_weights(int(height * scale), height), box_weights(int(width * scale), width)
    rows, columns = (up[0] @ down[0]).to(images.device), (up[1] @ down[1]).to(images.device)
    return rows @ images @ columns.T


def jpeg_compression(images: Tensor, level: int, generator: torch.Generator) -> Tensor:
    """Compress as JPEG, image by image on the CPU through Pillow; for one or three channels."""
    quality = (80, 65, 58, 50, 40)[level]
    pixels = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    decoded = np.stack([through_jpeg(picture, quality) for picture in pixels])
    return torch.from_numpy(decoded).to(images.device).permute(0, 3, 1, 2).float() / 255


Corruption = Callable[[Tensor, int, torch.Generator], Tensor]

GROUPS: dict[str, dict[str, Corruption]] = {
    "noise": {"gaussian_noise": gaussian_noise, "shot_noise": shot_noise, "impulse_noise": impulse_noise},
    "blur": {
        "defocus_blur": defocus_blur,
        "glass_blur": glass_blur,
        "motion_blur": motion_blur,
        "zoom_blur": zoom_blur,
    },
    "weather": {"snow": snow, "frost": frost, "fog": fog, "brightness": brightness},
    "digital": {
        "contrast": contrast,
        "elastic_transform": elastic_transform,
        "pixelate": pixelate,
        "jpeg_compression": jpeg_compression,
    },
}  # the benchmark's four groups, under the names of its files
BENCHMARK = tuple(kind for group in GROUPS.values() for kind in group)  # the fifteen that the mean error is taken over
CORRUPTIONS = {kind: change for group in GROUPS.values() for kind, change in group.items()}
CORRUPTIONS |= {"gaussian_blur": gaussian_blur}  # one of the benchmark's four extra corruptions

APPROXIMATE = {
    "frost": "a drawn pattern in place of photographs of frost",
    "snow": "bilinear enlargement of the flakes; motion as in motion_blur",
    "motion_blur": "whole pixels along the line, where ImageMagick also weighs between them",
    "zoom_blur": "enlarged about the centre of the image, where the original crops to whole pixels first",
    "defocus_blur": "the disk's edge softened by a kernel of 7 x 7 pixels",
    "glass_blur": "float pixels between the two blurs, where the original rounds",
    "elastic_transform": "bilinear sampling in float32",
}  # how ours differs from the published generator; the others are equal to it up to rounding and the random draws


def box_weights(source: int, target: int) -> Tensor:
    """Weights (target, source) of Pillow's box filter: the mean of the source pixels whose centres lie in the box."""
    scale = source / target
    centres = (torch.arange(target, dtype=torch.float64) + 0.5) * scale
    distance = (torch.arange(source, dtype=torch.float64) + 0.5 - centres[:, None]) / max(scale, 1.0)
    inside = ((distance > -0.5) & (distance <= 0.5)).float()
    return inside / inside.sum(1, keepdim=True)


def through_jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    """A picture (H, W, 1 or 3) uint8 after compression and decompression."""
    buffer = io.BytesIO()
    Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as decoded:
        return np.array(decoded).reshape(picture.shape)
