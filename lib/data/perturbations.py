"""Sequences of slightly perturbed images in the manner of CIFAR-10-P and ImageNet-P (Hendrycks and Dietterich 2019).

Eight of the benchmark's kinds: frames of noise, each with its own draws, and seven motions in small equal steps. The
steps are ours, for 32 x 32 pixels; the benchmark's own constants for small images were not at hand.
"""

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.data.blurs import enlarged
from lib.data.image_set import to_float

FRAMES = 20
NOISE = ("gaussian_noise", "shot_noise")  # their frames have no order; flips are counted against the first


def sequence(images: Tensor, kind: str, generator: torch.Generator, frames: int = FRAMES) -> Iterator[Tensor]:
    """The frames of one perturbation, the first nearest to the images as they are.

    Args:
        images: (N, C, H, W), uint8 or float32 in [0, 1].
        kind: one of `PERTURBATIONS`.
        generator: source of randomness for the noises and the direction of translations.
        frames: how many.

    Yields:
        (N, C, H, W) float32 in [0, 1], one frame of all images after another.

    Raises:
        ValueError: no such kind, or fewer than two frames.
    """
    if kind not in PERTURBATIONS:
        raise ValueError(f'no perturbation called "{kind}"; there are {", ".join(PERTURBATIONS)}')
    if frames < 2:
        raise ValueError(f"a sequence has at least 2 frames, found {frames}")
    given, place = to_float(images), generator.device
    angles = 2 * math.pi * torch.rand(len(images), generator=generator, device=place).to(images.device)  # (N,)
    for frame in range(frames):
        yield PERTURBATIONS[kind](given, frame, angles, generator).clamp(0, 1)


def gaussian_noise(images: Tensor, frame: int, angles: Tensor, generator: torch.Generator) -> Tensor:
    """Add N(0, .02^2), anew in every frame."""
    noise = torch.randn(images.shape, generator=generator, device=generator.device).to(images.device)
    return images + 0.02 * noise


def shot_noise(images: Tensor, frame: int, angles: Tensor, generator: torch.Generator) -> Tensor:
    """Photon counts at a rate of 500, anew in every frame."""
    return (torch.poisson(images.to(generator.device) * 500, generator=generator) / 500).to(images.device)


def brightness(images: Tensor, frame: int, angles: Tensor, generator: torch.Generator) -> Tensor:
    """Every frame a hundredth brighter."""
    return images + 0.01 * frame


def translate(images: Tensor, frame: int, angles: Tensor, generator: torch.Generator) -> Tensor:
    """Every frame a quarter of a pixel further, in a direction of each image's own."""
    far = 0.25 * frame
    width, height = images.shape[3], images.shape[2]
    return placed(images, shift=torch.stack([2 * far * angles.cos() / width, 2 * far * angles.sin() / height], 1))


def rotate(images: Tensor, frame: int, angles: Tensor, generator: torch.Generator) -> Tensor:
    """Every frame a degree further."""
    turn = math.radians(frame)
    return placed(images, [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])


def tilt(images: Tensor, frame: int, angles: Tensor, generator: torch.Generator) -> Tensor:
    """Every frame sheared by a hundredth more, the place of a flat picture that leans away."""
    return placed(images, [[1.0, 0.01 * frame], [0.0, 1.0 + 0.005 * frame]])


def scale(images: Tensor, frame: int, angles: Tensor, generator: torch.Generator) -> Tensor:
    """Every frame one per cent larger."""
    return enlarged(images, 1.01**frame)


def zoom_blur(images: Tensor, frame: int, angles: Tensor, generator: torch.Generator) -> Tensor:
    """The mean of the image and its enlargements in steps of half a per cent, one more in every frame."""
    return torch.stack([enlarged(images, 1 + 0.005 * step) for step in range(frame + 1)]).mean(0)


def placed(images: Tensor, turn: list[list[float]] | None = None, shift: Tensor | None = None) -> Tensor:
    """Images sampled at an affine map of their places: `turn` (2, 2) for all, `shift` (N, 2) in half widths."""
    count = len(images)
    matrix = torch.eye(2, device=images.device) if turn is None else torch.tensor(turn, device=images.device)
    moves = torch.zeros(count, 2, device=images.device) if shift is None else shift
    theta = torch.cat([matrix.expand(count, 2, 2), moves[:, :, None]], 2)  # (N, 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


Perturbation = Callable[[Tensor, int, Tensor, torch.Generator], Tensor]
PERTURBATIONS: dict[str, Perturbation] = {
    "gaussian_noise": gaussian_noise,
    "shot_noise": shot_noise,
    "zoom_blur": zoom_blur,
    "brightness": brightness,
    "translate": translate,
    "rotate": rotate,
    "tilt": tilt,
    "scale": scale,
}
