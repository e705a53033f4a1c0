"""Common corruptions for 32 x 32 images in the manner of CIFAR-10-C (Hendrycks and Dietterich 2019), on tensors.

The severities are the constants of the benchmark's published generator for CIFAR. The operations are ours: where the
original calls an image library, results agree in kind, not in every pixel. Motion blur is an oriented line, not
ImageMagick's. Glass blur, elastic transform, snow, frost and fog are not here. Use the published files for a benchmark.
"""

import io
import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from lib.data.image_set import to_float
from lib.data.noise_sets import gaussian_blur as blurred


def corrupt(images: Tensor, kind: str, severity: int, generator: torch.Generator) -> Tensor:
    """Images under one corruption.

    Args:
        images: (N, C, H, W), uint8 or float32 in [0, 1]. The constants are meant for 32 x 32; lengths are in pixels.
        kind: one of `CORRUPTIONS`.
        severity: 1 (slight) to 5 (strong).
        generator: source of randomness for the noises and the direction of motion.

    Returns:
        A new batch of the same shape and type, uint8 rounded as in the benchmark's files.
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


def motion_blur(images: Tensor, level: int, generator: torch.Generator) -> Tensor:
    """Average along a line through each pixel, with Gaussian weights; one direction within 45 degrees per batch."""
    radius, sigma = ((6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5))[level]
    turn = torch.rand((), generator=generator, device=generator.device).item()
    angle = (turn - 0.5) * math.pi / 2
    steps = torch.linspace(-radius, radius, 8 * radius + 1)
    weights = torch.exp(-(steps**2) / (2 * sigma**2))
    kernel = torch.zeros(2 * radius + 1, 2 * radius + 1)
    rows, columns = (radius + steps * math.sin(angle)).round().long(), (radius + steps * math.cos(angle)).round().long()
    kernel.index_put_((rows, columns), weights, accumulate=True)
    return filtered(images, (kernel / kernel.sum()).to(images.device))


def zoom_blur(images: Tensor, level: int, generator: torch.Generator) -> Tensor:
    """Mean of the image and its enlargements in steps of 1 %."""
    last = (6, 11, 16, 21, 26)[level]
    zoomed = torch.zeros_like(images)
    for percent in range(last):
        zoomed += enlarged(images, 1 + percent / 100)
    return (images + zoomed) / (last + 1)


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


def jpeg(images: Tensor, level: int, generator: torch.Generator) -> Tensor:
    """Compress as JPEG, image by image on the CPU through Pillow; for one or three channels."""
    quality = (80, 65, 58, 50, 40)[level]
    pixels = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    decoded = np.stack([through_jpeg(picture, quality) for picture in pixels])
    return torch.from_numpy(decoded).to(images.device).permute(0, 3, 1, 2).float() / 255


CORRUPTIONS: dict[str, Callable[[Tensor, int, torch.Generator], Tensor]] = {
    "gaussian_noise": gaussian_noise,
    "shot_noise": shot_noise,
    "impulse_noise": impulse_noise,
    "gaussian_blur": gaussian_blur,
    "defocus_blur": defocus_blur,
    "motion_blur": motion_blur,
    "zoom_blur": zoom_blur,
    "brightness": brightness,
    "contrast": contrast,
    "pixelate": pixelate,
    "jpeg": jpeg,
}


def box_weights(source: int, target: int) -> Tensor:
    """Weights (target, source) of Pillow's box filter: the mean of the source pixels whose centres lie in the box."""
    scale = source / target
    centres = (torch.arange(target, dtype=torch.float64) + 0.5) * scale
    distance = (torch.arange(source, dtype=torch.float64) + 0.5 - centres[:, None]) / max(scale, 1.0)
    inside = ((distance > -0.5) & (distance <= 0.5)).float()
    return inside / inside.sum(1, keepdim=True)


def filtered(images: Tensor, kernel: Tensor) -> Tensor:
    """Each channel of (N, C, H, W) convolved with an odd square kernel (k, k), the border pixels repeated outwards."""
    planes = images.flatten(0, 1)[:, None]  # (N C, 1, H, W)
    return F.conv2d(F.pad(planes, (len(kernel) // 2,) * 4, mode="replicate"), kernel[None, None]).view_as(images)


def enlarged(images: Tensor, factor: float) -> Tensor:
    """The middle of each image, enlarged by `factor` to the old size, bilinear."""
    theta = torch.tensor([[1 / factor, 0, 0], [0, 1 / factor, 0]], device=images.device).expand(len(images), 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def through_jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    """A picture (H, W, 1 or 3) uint8 after compression and decompression."""
    buffer = io.BytesIO()
    Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as decoded:
        return np.array(decoded).reshape(picture.shape)
